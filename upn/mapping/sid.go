package mapping

import (
	"errors"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// Object identifiers, encoded.
const (
	oidSIDExtension = "\x2B\x06\x01\x04\x01\x82\x37\x19\x02"     // 1.3.6.1.4.1.311.25.2
	oidSIDOtherName = "\x2B\x06\x01\x04\x01\x82\x37\x19\x02\x01" // 1.3.6.1.4.1.311.25.2.1
	oidSubjectKeyID = "\x55\x1D\x0E"                             // 2.5.29.14
	oidCertPolicies = "\x55\x1D\x20"                             // 2.5.29.32
)

const (
	tagURI       ber.Tag = 0x86
	tagOtherName ber.Tag = 0xA0
	tagExplicit  ber.Tag = 0xA0

	sidURI            = "tag:microsoft.com,2022-09-14:sid:"
	maxGeneralNames   = 64
	maxSubAuthorities = 15 // of a SID (MS-DTYP 2.4.2)
)

// A SID holds the security identifier of a certificate, which has two places. An
// identifier that is absent is empty.
type SID struct {
	Extension string // in the extension 1.3.6.1.4.1.311.25.2 (MS-WCCE 2.2.2.7.7.4)
	URI       string // in a URI tag:microsoft.com,2022-09-14:sid:… of the subject alternative name
}

// ReadSID returns the security identifiers in a certificate. If one of the places
// is malformed or has two identifiers, the error says so and both are empty.
func ReadSID(der []byte) (SID, error) {
	c, err := cert.Parse(der)
	if err != nil {
		return SID{}, fmt.Errorf("mapping: certificate: %w", err)
	}
	s, err := readSID(&c)
	if err != nil {
		return SID{}, fmt.Errorf("mapping: %w", err)
	}
	return s, nil
}

// Value returns the identifier that a domain controller uses: that of the
// extension or else that of the URI.
func (s SID) Value() string {
	if s.Extension != "" {
		return s.Extension
	}
	return s.URI
}

// Conflict reports whether the two places have different identifiers.
func (s SID) Conflict() bool {
	return s.Extension != "" && s.URI != "" && s.Extension != s.URI
}

func readSID(c *cert.Certificate) (SID, error) {
	var s SID
	x, ok, err := c.Extension(oidSIDExtension)
	if err == nil && ok {
		s.Extension, err = readSIDExtension(x.Value)
	}
	if err != nil {
		return SID{}, fmt.Errorf("SID extension: %w", err)
	}
	san, ok, err := c.Extension(cert.OIDSubjectAltName)
	if err == nil && ok {
		s.URI, err = readSIDURI(san.Value)
	}
	if err != nil {
		return SID{}, fmt.Errorf("subject alternative name: %w", err)
	}
	return s, nil
}

// readSIDExtension reads a GeneralNames with one otherName, which holds the text
// of the identifier in an OCTET STRING.
func readSIDExtension(value ber.Element) (string, error) {
	r := value.Inside()
	list, _ := r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return "", err
	}
	in := list.Inside()
	other, _ := in.Take(tagOtherName)
	if err := in.Close(); err != nil {
		return "", err
	}
	r = other.Inside()
	oid, _ := r.Take(ber.OID)
	explicit, _ := r.Take(tagExplicit)
	if err := r.Close(); err != nil {
		return "", err
	}
	in = explicit.Inside()
	text, _ := in.Take(ber.OctetString)
	if err := in.Close(); err != nil {
		return "", err
	}
	if string(oid.Value) != oidSIDOtherName {
		return "", fmt.Errorf("has the other name %s", cert.DottedOID(oid.Value))
	}
	return checkSID(text.Value)
}

// readSIDURI returns the identifier in the URIs of a GeneralNames.
func readSIDURI(value ber.Element) (string, error) {
	r := value.Inside()
	list, _ := r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return "", err
	}
	sid := ""
	in := list.Inside()
	for n := 0; in.More(); n++ {
		e, ok := in.Next()
		if n == maxGeneralNames {
			return "", fmt.Errorf("more than %d names", maxGeneralNames)
		}
		rest, isSID := strings.CutPrefix(string(e.Value), sidURI)
		if !ok || e.Tag != tagURI || !isSID {
			continue
		}
		next, err := checkSID([]byte(rest))
		if err != nil {
			return "", err
		}
		if sid != "" && sid != next {
			return "", errors.New("two URIs with different security identifiers")
		}
		sid = next
	}
	return sid, in.Err()
}

func checkSID(text []byte) (string, error) {
	if !validSID(string(text)) {
		return "", fmt.Errorf("%.64q is not a security identifier", text)
	}
	return string(text), nil
}

// validSID reports whether s is a SID: S-1, the authority and up to 15
// sub-authorities, all decimal without leading zeros (MS-DTYP 2.4.2.1).
func validSID(s string) bool {
	rest, ok := strings.CutPrefix(s, "S-1-")
	if !ok || len(s) > 184 {
		return false
	}
	numbers := strings.Split(rest, "-")
	if len(numbers) < 2 || len(numbers) > 1+maxSubAuthorities {
		return false
	}
	for i, n := range numbers {
		limit := "4294967295" // 32 bits
		if i == 0 {
			limit = "281474976710655" // 48 bits
		}
		if !decimal(n) || len(n) > len(limit) || len(n) == len(limit) && n > limit {
			return false
		}
	}
	return true
}

// decimal reports whether s is a decimal number without leading zeros.
func decimal(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != "" && (s == "0" || s[0] != '0')
}
