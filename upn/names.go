package upn

import (
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// Names are the sign-in names in a certificate. The zero value is a certificate
// without names.
type Names struct {
	// UPNs are the User Principal Names of the subject alternative name
	// (otherName 1.3.6.1.4.1.311.20.2.3) in encoded order. Of several that are
	// Equal, it has the first.
	UPNs []string

	// Emails are the rfc822Names of the subject alternative name (RFC 5280,
	// 4.2.1.6) in encoded order. Of several that are Equal, it has the first.
	Emails []string

	// Subject is the E= or else the CN= of the subject, such as
	// "E=alice@example.com", if the certificate has neither UPN nor e-mail
	// address. It is not a sign-in name, but explains why a hint is needed. Its
	// characters are not checked: quote it for display.
	Subject string

	// Err is a *MalformedError or nil. If it is not nil, the other fields are
	// empty.
	Err error
}

// Read returns the names in a DER certificate, even in one that crypto/x509
// refuses. If the certificate or its names are malformed, Err is set.
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

// ReadSAN returns the names in the value of a subject alternative name extension,
// the DER of a GeneralNames.
func ReadSAN(value []byte) Names { return readSAN(ber.DER(value), len(value)) }

// Equal reports whether two names are equal, ignoring the case of ASCII letters.
// Nothing else is folded, trimmed or normalized.
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
