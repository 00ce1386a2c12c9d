package upn

// Names is what the subject alternative name of a certificate says of its
// holder. The zero value is a certificate without names.
type Names struct {
	// UPNs are the User Principal Names (otherName 1.3.6.1.4.1.311.20.2.3) in
	// the order of the certificate, each once.
	UPNs []string

	// Emails are the rfc822Names (RFC 5280, 4.2.1.6), likewise.
	Emails []string

	// Subject is the E= or CN= of a certificate that has neither UPN nor
	// e-mail, written as "E=alice@example.com". It explains why a hint is
	// needed and is never a name. Its text is of foreign origin: quote it.
	Subject string

	// Err is nil or a *MalformedError; then the rest is empty.
	Err error
}

// Read returns the names in a certificate, which need not be one that
// crypto/x509 can parse. It never fails: a certificate that cannot be read is
// Names with Err set.
func Read(der []byte) Names { return Names{} }

// ReadSAN returns the names in the value of a subject alternative name
// extension: the DER of a GeneralNames.
func ReadSAN(value []byte) Names { return Names{} }

// Equal reports whether two names are the same. The case of ASCII letters does
// not count; nothing else is folded or normalised.
func Equal(a, b string) bool { return false }

// A MalformedError says which part of a certificate could not be taken for a
// name, and why.
type MalformedError struct {
	Field  string // "certificate", "extensions", "subjectAltName", "userPrincipalName" or "rfc822Name"
	Offset int    // in bytes, from the start of what was read
	Reason string // foreign values in it are quoted and cut
}

func (e *MalformedError) Error() string { return "" }
