package rules

import (
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/upn"
)

// A Certificate is parsed once and serves every question: findings, names, tile,
// title, key. Each method reads its own field, so a malformed field does not
// affect the others. It is safe for concurrent use.
type Certificate struct {
	fields cert.Certificate
	names  upn.Names
	faults []cert.Fault
	err    error // why the certificate cannot be parsed
}

// Read parses a certificate in DER, which must not change afterwards. The error
// says why the outer Certificate or its TBSCertificate cannot be parsed.
func Read(der []byte) (*Certificate, error) {
	c := Inspect(der)
	if c.err != nil {
		return nil, c.err
	}
	return c, nil
}

// Inspect parses a certificate that may be malformed. Where the outer Certificate
// or its TBSCertificate cannot be parsed, [Certificate.Err] says why, every
// verdict is [Unknown], and the other methods return that error or nothing.
func Inspect(der []byte) *Certificate {
	c := new(Certificate)
	c.parse(der)
	return c
}

func (c *Certificate) parse(der []byte) {
	if err := c.fields.Parse(der); err != nil {
		c.fields = cert.Certificate{}
		c.names = malformed("certificate", err)
		c.err = fmt.Errorf("rules: read certificate: %w", err)
		return
	}
	c.names = c.readNames()
	c.faults = c.fields.Faults()
}

// readNames returns what [upn.Read] does, without parsing the certificate again.
func (c *Certificate) readNames() upn.Names {
	san, ok, err := c.fields.Extension(cert.OIDSubjectAltName)
	if err != nil {
		return malformed("extensions", err)
	}
	var names upn.Names
	if ok {
		names = upn.ReadSAN(san.Value.Value)
		if fault, ok := names.Err.(*upn.MalformedError); ok {
			// ReadSAN counts from the start of the extension's value.
			fault.Offset += san.Value.Offset + len(san.Value.Raw) - len(san.Value.Value)
		}
	}
	if names.Err == nil && len(names.UPNs) == 0 && len(names.Emails) == 0 {
		names.Subject = cert.SubjectName(c.fields.Subject)
	}
	return names
}

func malformed(field string, err error) upn.Names {
	fault := &upn.MalformedError{Field: field, Reason: err.Error()}
	var at *ber.Error
	if errors.As(err, &at) {
		fault.Offset, fault.Reason = at.Offset, at.Reason
	}
	return upn.Names{Err: fault}
}

// Err returns why the certificate cannot be parsed, or nil.
func (c *Certificate) Err() error { return c.err }

// Subject returns the distinguished name of the holder as RFC 2253 writes it,
// with unprintable characters escaped. It is empty where the name is empty or
// cannot be read.
func (c *Certificate) Subject() string { return cert.RFC2253(c.fields.Subject) }

// Issuer returns the distinguished name of the issuer in the same form.
func (c *Certificate) Issuer() string { return cert.RFC2253(c.fields.Issuer) }

// NotBefore returns the first second in which the certificate is valid.
func (c *Certificate) NotBefore() Date {
	d, _ := c.fields.Dates()
	return Date{d}
}

// NotAfter returns the last second in which the certificate is valid.
func (c *Certificate) NotAfter() Date {
	_, d := c.fields.Dates()
	return Date{d}
}

// Names returns the names in the certificate, as [upn.Read] does.
func (c *Certificate) Names() upn.Names { return c.names }

// PublicKey returns the public key. Its type is *rsa.PublicKey,
// *ecdsa.PublicKey, ed25519.PublicKey or another of crypto/x509.
func (c *Certificate) PublicKey() (crypto.PublicKey, error) {
	if c.err != nil {
		return nil, c.err
	}
	key, err := c.fields.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("rules: read certificate: %w", err)
	}
	return key, nil
}

// KeyUsage returns the bits of the key usage extension by their names in RFC
// 5280, 4.2.1.3 (bit 1 as contentCommitment). It returns nil where there is no
// such extension, and an error where it cannot be read or is repeated.
func (c *Certificate) KeyUsage() ([]string, error) {
	if c.err != nil {
		return nil, c.err
	}
	usage, ok, err := c.fields.KeyUsage()
	if err != nil {
		return nil, fmt.Errorf("rules: key usage: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return cert.KeyUsageNames(usage), nil
}

// ExtendedKeyUsage returns the purposes of the extended key usage extension as
// dotted object identifiers, in the order of the certificate. It returns nil
// where there is no such extension, and an error where it cannot be read, is
// empty or is repeated.
func (c *Certificate) ExtendedKeyUsage() ([]string, error) {
	if c.err != nil {
		return nil, c.err
	}
	list, ok, err := c.fields.ExtendedKeyUsage()
	if err != nil {
		return nil, fmt.Errorf("rules: extended key usage: %w", err)
	}
	if !ok {
		return nil, nil
	}
	var purposes []string
	for oid, more := list.Next(); more; oid, more = list.Next() {
		purposes = append(purposes, cert.DottedOID(oid))
	}
	return purposes, nil
}

// RepeatedExtension returns the object identifier of the first extension that
// occurs more than once, which RFC 5280, 4.2 forbids, or "" where none does. The
// error says why the extensions cannot be read.
func (c *Certificate) RepeatedExtension() (string, error) {
	if c.err != nil {
		return "", c.err
	}
	oid, err := c.fields.DuplicateExtension()
	if err != nil {
		return "", fmt.Errorf("rules: extensions: %w", err)
	}
	return cert.DottedOID(oid), nil
}

// A Date is notBefore or notAfter, which may be malformed.
type Date struct{ date cert.Date }

// Time returns the date in UTC, or the zero time where it is malformed.
func (d Date) Time() time.Time { return d.date.Time }

// String returns the date in the form of RFC 3339. A malformed date is
// "unparsed: " and the text in the certificate.
func (d Date) String() string {
	if !d.date.Time.IsZero() {
		return d.date.Time.Format(time.RFC3339)
	}
	return "unparsed: " + printable(d.date.Text)
}

// MarshalText returns the text of String.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// printable returns untrusted text for one line: cut, and quoted unless it is
// plain ASCII.
func printable(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return quoted(string(b))
		}
	}
	return cut(string(b))
}
