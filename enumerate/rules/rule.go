package rules

// A Rule is one condition that Windows puts on a sign-in certificate when it
// looks for those to offer ("Certificate requirements and enumeration", steps of
// the enumeration).
type Rule string

const (
	// Validity holds while the clock is between notBefore and notAfter, both
	// included. AllowTimeInvalidCertificates waives it.
	Validity Rule = "validity"

	// KeySpecification holds for a key in the AT_KEYEXCHANGE part of its
	// container. AllowSignatureOnlyKeys waives it for AT_SIGNATURE.
	KeySpecification Rule = "key-specification"

	// UPN holds for a certificate with a name that Windows can send: a User
	// Principal Name, else an e-mail address, of the subject alternative name.
	// X509HintsNeeded waives it.
	UPN Rule = "upn"

	// KeyUsage holds for a key usage extension with digitalSignature. Nothing
	// waives it.
	KeyUsage Rule = "key-usage"

	// EKU holds for an extended key usage with smart card logon.
	// AllowCertificatesWithNoEKU waives it for no extension, for the
	// all-purpose and for the client authentication usage.
	EKU Rule = "eku"

	// ECC holds for RSA keys. EnumerateECCCerts waives it for the curves P-256,
	// P-384 and P-521.
	ECC Rule = "ecc"
)

// A Verdict is the answer of one rule.
type Verdict string

const (
	Passed  Verdict = "passed"  // the rule holds
	Failed  Verdict = "failed"  // it does not
	Waived  Verdict = "waived"  // it does not, and a policy lets the certificate through
	Unknown Verdict = "unknown" // it cannot be read or is not documented; as failed, and never waived
)

// A KeySpec says which of the two keys of a Windows key container belongs to a
// certificate, and how that is known. The zero value is that of a certificate
// file. It is comparable.
type KeySpec struct {
	Kind KeyKind

	// Assumed names what Kind is assumed for, such as "slot 9C", where
	// the card does not record it. Empty: the container map of the card
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
