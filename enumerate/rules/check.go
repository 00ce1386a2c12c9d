package rules

import (
	"time"

	"github.com/smartlogon/smartlogon/upn"
)

// A Rule is one condition that Windows puts on a sign-in certificate.
type Rule string

const (
	Validity         Rule = "validity"
	KeySpecification Rule = "key-specification"
	UPN              Rule = "upn"
	KeyUsage         Rule = "key-usage"
	EKU              Rule = "eku"
	ECC              Rule = "ecc"
)

// A Verdict is the answer of one rule.
type Verdict string

const (
	Passed  Verdict = "passed"
	Failed  Verdict = "failed"
	Waived  Verdict = "waived"
	Unknown Verdict = "unknown"
)

// A KeySpec is the part of its container that a key stands in.
type KeySpec uint8

const (
	FromFile       KeySpec = iota // no card: a certificate file, taken as of a key exchange container
	KeyExchange                   // AT_KEYEXCHANGE, as the card's container map says
	Signature                     // AT_SIGNATURE, as the card's container map says
	PIVKeyExchange                // AT_KEYEXCHANGE by assumption: PIV 9A, 9D, 9E, 82 to 95
	PIVSignature                  // AT_SIGNATURE by assumption: PIV 9C
)

// A Finding is the verdict of one rule on one certificate.
type Finding struct {
	Rule    Rule
	Verdict Verdict
	Policy  string // that waived a failure, or would waive it; empty where none can
}

// Detail says what was found and, where the documents leave a choice, which
// sentence decided.
func (f Finding) Detail() string { return "" }

// Remedy says what an administrator can do about a finding that is not passed;
// empty where nothing needs doing.
func (f Finding) Remedy() string { return "" }

// MarshalJSON gives rule, verdict, detail, and policy and remedy where there
// are any.
func (f Finding) MarshalJSON() ([]byte, error) { return nil, nil }

// Findings are the verdicts of all six rules in their order.
type Findings []Finding

// Offered reports whether Windows would show the certificate: every finding is
// passed or waived.
func (f Findings) Offered() bool { return false }

// Err is why the certificate could not be walked at all, in which case every
// verdict is [Unknown]; else nil.
func (f Findings) Err() error { return nil }

// Check applies the six rules to a certificate. It never fails: a certificate
// that cannot be walked gives six findings that are Unknown, and
// [Findings.Err].
func Check(der []byte, spec KeySpec, p Policy, at time.Time) Findings { return nil }

// A Certificate is one that has been read for judging. Its methods give what
// the rules looked at.
type Certificate struct{}

// Read walks a certificate. The error says why the outer Certificate or
// TBSCertificate cannot be walked; any fault further inside is a matter of the
// method that gives that field.
func Read(der []byte) (*Certificate, error) { return nil, nil }

// Check applies the six rules, as the function of that name.
func (c *Certificate) Check(spec KeySpec, p Policy, at time.Time) Findings { return nil }

// Subject is the distinguished name as RFC 2253 writes it.
func (c *Certificate) Subject() string { return "" }

// Issuer is the distinguished name of the issuer, likewise.
func (c *Certificate) Issuer() string { return "" }

// NotBefore is when the certificate begins to be valid.
func (c *Certificate) NotBefore() Date { return Date{} }

// NotAfter is the last second in which the certificate is valid.
func (c *Certificate) NotAfter() Date { return Date{} }

// Names are the names in the certificate, as upn.Read returns them.
func (c *Certificate) Names() upn.Names { return upn.Names{} }

// KeyUsage names the bits of the key usage extension, by RFC 5280, 4.2.1.3;
// nil without the extension.
func (c *Certificate) KeyUsage() ([]string, error) { return nil, nil }

// ExtendedKeyUsage are the purposes of the extended key usage extension as
// dotted object identifiers; nil without the extension.
func (c *Certificate) ExtendedKeyUsage() ([]string, error) { return nil, nil }

// A Date is a validity date, which may be one that cannot be read.
type Date struct {
	Time time.Time // zero if the date cannot be read
}

// String is the date as RFC 3339 has it, or "unparsed: " and the text in the
// certificate.
func (d Date) String() string { return "" }
