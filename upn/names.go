package upn

import (
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// Names is what a certificate says of its holder's name. The zero value is a
// certificate without names.
type Names struct {
	// UPNs are the User Principal Names of the subject alternative name
	// (otherName 1.3.6.1.4.1.311.20.2.3) in their order, each once: of names
	// that are Equal, the first.
	UPNs []string

	// Emails are its rfc822Names (RFC 5280, 4.2.1.6), likewise.
	Emails []string

	// Subject is the E=, else the CN=, of a certificate that has neither UPN
	// nor e-mail, such as "E=alice@example.com". It explains why a hint is
	// needed and is never a name. Nobody has checked its characters: quote it.
	Subject string

	// Err is nil or a *MalformedError; then the rest is empty.
	Err error
}

// Read returns the names in a certificate, also in one that crypto/x509
// refuses. It never fails: if the certificate or its names cannot be read,
// that is Names.Err.
func Read(der []byte) Names {
	c, err := cert.Parse(der)
	if err != nil {
		return Names{Err: encodingFault("certificate", err)}
	}
	san, ok, err := c.Extension(cert.OIDSubjectAltName)
	if err != nil {
		return Names{Err: encodingFault("extensions", err)}
	}
	var names Names
	if ok {
		names = readSAN(san.Value.Inside(), len(san.Value.Value))
	}
	if names.Err == nil && len(names.UPNs) == 0 && len(names.Emails) == 0 {
		names.Subject = cert.SubjectName(c.Subject)
	}
	return names
}

// ReadSAN returns the names in the value of a subject alternative name
// extension, which is the DER of a GeneralNames.
func ReadSAN(value []byte) Names { return readSAN(ber.DER(value), len(value)) }

// Equal reports whether two names are the same. The case of ASCII letters does
// not count; nothing else is folded, trimmed or normalised.
func Equal(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
