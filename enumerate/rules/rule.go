package rules

// A Rule is one of the conditions under which Windows offers a certificate for
// sign-in ("Certificate requirements and enumeration", steps of the enumeration).
type Rule string

const (
	// Validity requires that the time is not before notBefore and not after
	// notAfter. AllowTimeInvalidCertificates waives it.
	Validity Rule = "validity"

	// KeySpecification requires the key exchange key of a container.
	// AllowSignatureOnlyKeys waives it for the signature key.
	KeySpecification Rule = "key-specification"

	// UPN requires a name that Windows can send: a User Principal Name or an
	// e-mail address in the subject alternative name. X509HintsNeeded waives
	// it.
	UPN Rule = "upn"

	// KeyUsage requires a key usage extension with digitalSignature. No
	// policy waives it.
	KeyUsage Rule = "key-usage"

	// EKU requires an extended key usage with smart card logon.
	// AllowCertificatesWithNoEKU waives it for a certificate without the
	// extension, and for the all-purpose and the client authentication usage.
	EKU Rule = "eku"

	// ECC requires an RSA key. EnumerateECCCerts waives it for the curves
	// P-256, P-384 and P-521.
	ECC Rule = "ecc"

	// Encoding is not a rule of Windows. It has a finding, which is Unknown,
	// only for a certificate with a malformed field that no other rule reads:
	// version, serial number, signature algorithm, issuer, subject, signature.
	Encoding Rule = "encoding"
)

// A Verdict is the result of one rule.
type Verdict string

const (
	Passed  Verdict = "passed"  // the rule holds
	Failed  Verdict = "failed"  // the rule does not hold
	Waived  Verdict = "waived"  // the rule does not hold, and a policy allows that
	Unknown Verdict = "unknown" // the field is malformed or undocumented; counts as failed, never waived
)

// A KeySpec says which of the two keys of a Windows key container belongs to a
// certificate, and how that is known. The zero value is for a certificate file.
// It is comparable.
type KeySpec struct {
	Kind KeyKind

	// Assumed names what Kind is assumed for, such as "slot 9C", where the
	// card does not record it. Empty means that the container map of the card
	// records it.
	Assumed string
}

// A KeyKind is one of the two keys of a container.
type KeyKind uint8

const (
	FromFile    KeyKind = iota // certificate file without a container; taken as AT_KEYEXCHANGE
	KeyExchange                // AT_KEYEXCHANGE
	Signature                  // AT_SIGNATURE
)
