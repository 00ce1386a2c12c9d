package mapping

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/upn"
)

// A Mapping is a value of certificateUserIds or altSecurityIdentities. Two
// mappings are == if they have the same String.
type Mapping struct {
	Kind   Kind
	Issuer string // name of the issuer, if Kind includes it
	Value  string // name, address, hexadecimal or security identifier
}

// Strong reports whether the mapping is strong, see [Kind.Strong].
func (m Mapping) Strong() bool { return m.Kind.Strong() }

// String returns the mapping as stored: "X509:<SKI>12ab". It is empty for the zero
// value.
func (m Mapping) String() string {
	if !m.Kind.valid() {
		return ""
	}
	k := kinds[m.Kind]
	if k.issuer {
		return prefix + issuerTag + m.Issuer + k.tag + m.Value
	}
	return prefix + k.tag + m.Value
}

const (
	prefix    = "X509:"
	issuerTag = "<I>"

	maxMapping = 8 << 10 // bytes of a mapping
)

// Parse parses a mapping. [Mapping.String] returns the same text again. Prefix and
// tags are in capitals and without spaces around them, as both directories require.
// Hexadecimal may be in either case.
func Parse(s string) (Mapping, error) {
	m, err := parse(s)
	if err != nil {
		return Mapping{}, fmt.Errorf("mapping: %.64q: %w", s, err)
	}
	return m, nil
}

func parse(s string) (Mapping, error) {
	if len(s) > maxMapping {
		return Mapping{}, fmt.Errorf("has %d bytes, more than %d", len(s), maxMapping)
	}
	if err := checkText(s); err != nil {
		return Mapping{}, err
	}
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return Mapping{}, fmt.Errorf("does not begin with %q", prefix)
	}
	if in, ok := strings.CutPrefix(rest, issuerTag); ok {
		return parseWithIssuer(in)
	}
	for k := Kind(1); k < endOfKinds; k++ {
		value, ok := strings.CutPrefix(rest, kinds[k].tag)
		if kinds[k].issuer || !ok {
			continue
		}
		return Mapping{Kind: k, Value: value}, checkValue(k, value)
	}
	return Mapping{}, errors.New("has none of the tags <I>, <PN>, <RFC822>, <S>, <SKI>, <SHA1-PUKEY> after the prefix")
}

// parseWithIssuer parses the text after <I>.
func parseWithIssuer(s string) (Mapping, error) {
	end := nameEnd(s)
	if end == 0 {
		return Mapping{}, errors.New("has no issuer")
	}
	issuer, rest := s[:end], s[end:]
	for k := Kind(1); k < endOfKinds; k++ {
		value, ok := strings.CutPrefix(rest, kinds[k].tag)
		if !kinds[k].issuer || !ok {
			continue
		}
		return Mapping{Kind: k, Issuer: issuer, Value: value}, checkValue(k, value)
	}
	return Mapping{}, errors.New("has none of the tags <S>, <SR>, <SID> after the issuer")
}

// nameEnd returns the length of the name at the front of s, which ends before the
// first angle bracket that is not in quotes.
func nameEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"' && (quoted || i > 0 && s[i-1] == '='):
			quoted = !quoted // a doubled quote closes and reopens, see below
		case s[i] == '"' && i > 0 && s[i-1] == '"':
			quoted = true
		case (s[i] == '<' || s[i] == '>') && !quoted:
			return i
		}
	}
	return len(s)
}

// checkText refuses invalid UTF-8 and control characters.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("is not UTF-8")
	}
	for i, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("has a control character at byte %d", i)
		}
	}
	return nil
}

// checkValue refuses a value that its kind cannot have.
func checkValue(k Kind, s string) error {
	switch k {
	case SKI, IssuerSerial:
		if b, err := hex.DecodeString(s); err != nil || len(b) == 0 {
			return fmt.Errorf("value of %s is not hexadecimal of whole bytes", kinds[k].tag)
		}
	case SHA1PublicKey:
		if b, err := hex.DecodeString(s); err != nil || len(b) != 20 {
			return fmt.Errorf("value of %s is not 40 hexadecimal digits", kinds[k].tag)
		}
	case IssuerSID:
		if !validSID(s) {
			return errors.New("value of <SID> is not a security identifier")
		}
	case IssuerSubject, Subject:
		if nameEnd(s) != len(s) {
			return errors.New("has an unquoted angle bracket in the subject")
		}
	}
	if s == "" {
		return errors.New("has no value")
	}
	return nil
}

// equal reports whether two mappings match the same certificates. It ignores the
// case of hexadecimal and of sign-in names. Distinguished names are compared byte
// by byte.
func (m Mapping) equal(o Mapping) bool {
	if m.Kind != o.Kind || m.Issuer != o.Issuer {
		return false
	}
	switch m.Kind {
	case PrincipalName, RFC822:
		return upn.Equal(m.Value, o.Value)
	case SKI, SHA1PublicKey, IssuerSerial:
		return strings.EqualFold(m.Value, o.Value)
	}
	return m.Value == o.Value
}
