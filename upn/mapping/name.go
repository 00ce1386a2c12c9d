package mapping

import (
	"errors"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

const (
	maxAttributes = 64      // of one name; real ones have under ten
	maxNameText   = 4 << 10 // bytes of one name as text
)

// A name is a distinguished name that has been read.
type name []part

// A part is an attribute of a name.
type part struct {
	rdn   int    // which relative name it belongs to
	oid   []byte // content of the OBJECT IDENTIFIER
	value string
}

// readName reads a Name. One that has a value that is no text cannot be
// written; one without attributes is empty.
func readName(e ber.Element) (name, error) {
	list, err := cert.Attributes(e)
	if err != nil {
		return nil, err
	}
	if len(list) > maxAttributes {
		return nil, fmt.Errorf("%d attributes, more than %d", len(list), maxAttributes)
	}
	n := make(name, 0, len(list))
	size := 0
	for _, a := range list {
		text, ok := a.Text()
		if !ok {
			return nil, fmt.Errorf("attribute %s at byte %d is no text that can be read", cert.DottedOID(a.OID), a.Value.Offset)
		}
		if err := checkText(text); err != nil {
			return nil, fmt.Errorf("attribute %s %w", cert.DottedOID(a.OID), err)
		}
		if size += len(text); size > maxNameText {
			return nil, errors.New("it is longer than a mapping may be")
		}
		n = append(n, part{rdn: a.RDN, oid: a.OID, value: text})
	}
	return n, nil
}

// typeNames are the attribute types that Windows writes by name: what
// CertNameToStr makes with CERT_X500_NAME_STR. All others are "OID." and
// numbers. Where another spelling is common it stands second.
var typeNames = map[string][2]string{
	"\x55\x04\x03":                         {"CN"},
	"\x55\x04\x04":                         {"SN"},
	"\x55\x04\x05":                         {"SERIALNUMBER"},
	"\x55\x04\x06":                         {"C"},
	"\x55\x04\x07":                         {"L"},
	"\x55\x04\x08":                         {"S", "ST"},
	"\x55\x04\x09":                         {"STREET"},
	"\x55\x04\x0A":                         {"O"},
	"\x55\x04\x0B":                         {"OU"},
	"\x55\x04\x0C":                         {"T"},
	"\x55\x04\x0D":                         {"Description"},
	"\x55\x04\x11":                         {"PostalCode"},
	"\x55\x04\x12":                         {"POBox"},
	"\x55\x04\x14":                         {"Phone"},
	"\x55\x04\x18":                         {"X21Address"},
	"\x55\x04\x2A":                         {"G"},
	"\x55\x04\x2B":                         {"I"},
	"\x55\x04\x2E":                         {"dnQualifier"},
	"\x2A\x86\x48\x86\xF7\x0D\x01\x09\x01": {"E", "emailAddress"},
	"\x09\x92\x26\x89\x93\xF2\x2C\x64\x01\x19": {"DC"},
}

// write writes a name in the order of its encoding, relative names separated by
// a comma. Each doubt in other turns to the spelling that is not preferred.
func (n name) write(other Doubt) string {
	join := " "
	if other&PlusSign != 0 {
		join = " + "
	}
	var text strings.Builder
	for i, p := range n {
		switch {
		case i == 0:
		case p.rdn == n[i-1].rdn:
			text.WriteString(join)
		default:
			text.WriteByte(',')
		}
		text.WriteString(p.typeName(other&TypeName != 0))
		text.WriteByte('=')
		value := p.value
		if other&Blanks != 0 {
			value = strings.ReplaceAll(value, " ", "")
		}
		if other&Quoting == 0 && needsQuotes(value) {
			value = `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
		}
		text.WriteString(value)
	}
	return text.String()
}

func (p part) typeName(other bool) string {
	names, known := typeNames[string(p.oid)]
	switch {
	case known && other && names[1] != "":
		return names[1]
	case known:
		return names[0]
	case other:
		return cert.DottedOID(p.oid)
	}
	return "OID." + cert.DottedOID(p.oid)
}

// needsQuotes reports whether CertNameToStr quotes a value.
func needsQuotes(s string) bool {
	return s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || strings.ContainsAny(s, `,+="<>#;`)
}
