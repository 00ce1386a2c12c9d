package mapping

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

const (
	maxAttributes = 64      // of a name; real ones have under ten
	maxNameText   = 4 << 10 // bytes of the values of a name
)

// A name is a decoded distinguished name.
type name []attribute

// An attribute is an attribute of a name.
type attribute struct {
	rdn   int    // index of its relative name
	oid   []byte // content of the OBJECT IDENTIFIER
	value string
	hex   bool // value is # and hexadecimal, not text
}

// readName decodes a Name.
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
		isHex := !a.IsString()
		switch {
		case isHex:
			text = hexValue(a.Value)
		case !ok:
			return nil, fmt.Errorf("attribute %s at byte %d is a malformed string", cert.DottedOID(a.OID), a.Value.Offset)
		}
		if err := checkText(text); err != nil {
			return nil, fmt.Errorf("attribute %s %w", cert.DottedOID(a.OID), err)
		}
		if size += len(text); size > maxNameText {
			return nil, fmt.Errorf("more than %d bytes", maxNameText)
		}
		n = append(n, attribute{rdn: a.RDN, oid: a.OID, value: text, hex: isHex})
	}
	return n, nil
}

// hexValue returns a value that is not a string as CertNameToStr does:
// hexadecimal of the content of an OCTET STRING (CERT_RDN_OCTET_STRING), and of the
// whole DER of any other type (CERT_RDN_ENCODED_BLOB).
func hexValue(e ber.Element) string {
	b := e.Raw
	if e.Tag == ber.OctetString {
		b = e.Value
	}
	return "#" + strings.ToUpper(hex.EncodeToString(b))
}

// typeNames are the short names of attribute types that CertNameToStr writes with
// CERT_X500_NAME_STR, and another common spelling if there is one. Types without a
// short name are "OID." and the dotted object identifier.
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

// write returns a name in encoded order, relative names separated by commas. Each
// doubt in other selects the spelling that is not preferred.
func (n name) write(other Doubt) string {
	join := " "
	if other&PlusSign != 0 {
		join = " + "
	}
	var text strings.Builder
	size := 0
	for _, a := range n {
		size += len(a.value) + 16
	}
	text.Grow(size)
	for i, a := range n {
		switch {
		case i == 0:
		case a.rdn == n[i-1].rdn:
			text.WriteString(join)
		default:
			text.WriteByte(',')
		}
		text.WriteString(a.typeName(other&TypeName != 0))
		text.WriteByte('=')
		value := a.value
		if other&Blanks != 0 {
			value = strings.ReplaceAll(value, " ", "")
		}
		if other&Quoting == 0 && !a.hex && needsQuotes(value) {
			value = `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
		}
		text.WriteString(value)
	}
	return text.String()
}

func (a attribute) typeName(other bool) string {
	names, short := typeNames[string(a.oid)]
	switch {
	case short && other && names[1] != "":
		return names[1]
	case short:
		return names[0]
	case other:
		return cert.DottedOID(a.oid)
	}
	return "OID." + cert.DottedOID(a.oid)
}

// needsQuotes reports whether CertNameToStr quotes a value.
func needsQuotes(s string) bool {
	return s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || strings.ContainsAny(s, `,+="<>#;`)
}
