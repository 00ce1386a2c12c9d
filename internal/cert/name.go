package cert

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// An Attribute is one attribute of a distinguished name.
type Attribute struct {
	RDN   int         // index of its relative distinguished name
	OID   []byte      // content of the OBJECT IDENTIFIER
	Value ber.Element // usually a string
}

// Attributes returns the attributes of a Name (RFC 5280, 4.1.2.4) in encoded
// order. The error is a *[ber.Error].
func Attributes(name ber.Element) ([]Attribute, error) {
	var list []Attribute
	if err := walkAttributes(name, func(a Attribute) { list = append(list, a) }); err != nil {
		return nil, err
	}
	return list, nil
}

// walkAttributes calls f, if it is not nil, for each attribute of a Name up to the
// first fault.
func walkAttributes(name ber.Element, f func(Attribute)) error {
	r := name.Inside()
	for rdn := 0; r.More(); rdn++ {
		in, ok := r.Enter(ber.Set)
		if !ok {
			break
		}
		for in.More() {
			offset := in.Offset()
			p, ok := in.Enter(ber.Sequence)
			if !ok {
				break
			}
			oid, _ := p.TakeValue(ber.OID)
			value, ok := p.Next()
			if err := p.Close(); err != nil {
				return err
			}
			if !ok || !ValidOID(oid) {
				return &ber.Error{Offset: offset, Reason: "attribute without a valid type and a value"}
			}
			if f != nil {
				f(Attribute{RDN: rdn, OID: oid, Value: value})
			}
		}
		if err := in.Err(); err != nil {
			return err
		}
	}
	return r.Err()
}

// Text decodes the string of an attribute. It returns false if the value is not a
// string or is malformed. A T61String is decoded as UTF-8 or else as Latin-1, as
// Windows does by default (CERT_RDN_ATTR).
func (a Attribute) Text() (string, bool) {
	v := a.Value.Value
	switch a.Value.Tag {
	case ber.UTF8String:
		return string(v), utf8.Valid(v)
	case ber.PrintableString, ber.IA5String, tagNumericString, tagVideotexString, tagGraphicString, tagVisibleString, tagGeneralString:
		for _, c := range v {
			if c >= utf8.RuneSelf {
				return "", false
			}
		}
		return string(v), true
	case ber.T61String:
		if utf8.Valid(v) {
			return string(v), true
		}
		runes := make([]rune, len(v))
		for i, c := range v {
			runes[i] = rune(c)
		}
		return string(runes), true
	case ber.BMPString:
		return textBMP(v)
	case ber.UniversalString:
		return textUniversal(v)
	}
	return "", false
}

// IsString reports whether the value has one of the string types, even if it is
// malformed.
func (a Attribute) IsString() bool {
	switch a.Value.Tag {
	case ber.UTF8String, ber.PrintableString, ber.IA5String, tagNumericString, tagVideotexString, tagGraphicString,
		tagVisibleString, tagGeneralString, ber.T61String, ber.BMPString, ber.UniversalString:
		return true
	}
	return false
}

const (
	tagNumericString  ber.Tag = 0x12
	tagVideotexString ber.Tag = 0x15
	tagGraphicString  ber.Tag = 0x19
	tagVisibleString  ber.Tag = 0x1A
	tagGeneralString  ber.Tag = 0x1B
)

// textBMP decodes a BMPString. It may have surrogate pairs, which Windows reads
// and writes, though X.680 allows none.
func textBMP(v []byte) (string, bool) {
	if len(v)%2 != 0 {
		return "", false
	}
	runes := make([]rune, 0, len(v)/2)
	for ; len(v) > 0; v = v[2:] {
		r := rune(v[0])<<8 | rune(v[1])
		if utf16.IsSurrogate(r) {
			if len(v) < 4 {
				return "", false
			}
			if r = utf16.DecodeRune(r, rune(v[2])<<8|rune(v[3])); r == unicode.ReplacementChar {
				return "", false
			}
			v = v[2:]
		}
		runes = append(runes, r)
	}
	return string(runes), true
}

func textUniversal(v []byte) (string, bool) {
	if len(v)%4 != 0 {
		return "", false
	}
	runes := make([]rune, 0, len(v)/4)
	for ; len(v) > 0; v = v[4:] {
		n := uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3])
		if n > utf8.MaxRune || utf16.IsSurrogate(rune(n)) {
			return "", false
		}
		runes = append(runes, rune(n))
	}
	return string(runes), true
}

// Object identifiers of attributes, encoded.
const (
	OIDCommonName   = "\x55\x04\x03"                         // 2.5.4.3
	OIDEmailAddress = "\x2A\x86\x48\x86\xF7\x0D\x01\x09\x01" // 1.2.840.113549.1.9.1
)

// shortNames are the short names of attribute types in OpenSSL. They include those
// of RFC 4514, section 3.
var shortNames = map[string]string{
	OIDCommonName:   "CN",
	"\x55\x04\x04":  "SN",
	"\x55\x04\x05":  "serialNumber",
	"\x55\x04\x06":  "C",
	"\x55\x04\x07":  "L",
	"\x55\x04\x08":  "ST",
	"\x55\x04\x09":  "street",
	"\x55\x04\x0A":  "O",
	"\x55\x04\x0B":  "OU",
	"\x55\x04\x0C":  "title",
	"\x55\x04\x0D":  "description",
	"\x55\x04\x0F":  "businessCategory",
	"\x55\x04\x11":  "postalCode",
	"\x55\x04\x14":  "telephoneNumber",
	"\x55\x04\x29":  "name",
	"\x55\x04\x2A":  "GN",
	"\x55\x04\x2B":  "initials",
	"\x55\x04\x2C":  "generationQualifier",
	"\x55\x04\x2D":  "x500UniqueIdentifier",
	"\x55\x04\x2E":  "dnQualifier",
	"\x55\x04\x41":  "pseudonym",
	"\x55\x04\x61":  "organizationIdentifier",
	OIDEmailAddress: "emailAddress",
	"\x09\x92\x26\x89\x93\xF2\x2C\x64\x01\x01":     "UID",
	"\x09\x92\x26\x89\x93\xF2\x2C\x64\x01\x19":     "DC",
	"\x2B\x06\x01\x04\x01\x82\x37\x3C\x02\x01\x01": "jurisdictionL",
	"\x2B\x06\x01\x04\x01\x82\x37\x3C\x02\x01\x02": "jurisdictionST",
	"\x2B\x06\x01\x04\x01\x82\x37\x3C\x02\x01\x03": "jurisdictionC",
}

// SubjectName returns the last E=, else the last CN=, of a subject, with its
// label. It is empty if neither is readable.
func SubjectName(subject ber.Element) string {
	list, err := Attributes(subject)
	if err != nil {
		return ""
	}
	for _, wanted := range [...]struct{ oid, label string }{{OIDEmailAddress, "E="}, {OIDCommonName, "CN="}} {
		for _, a := range slices.Backward(list) {
			if string(a.OID) != wanted.oid {
				continue
			}
			if text, ok := a.Text(); ok {
				return wanted.label + text
			}
		}
	}
	return ""
}

// RFC2253 returns a Name in the form of RFC 2253, last attribute first. A type
// without a short name is its dotted object identifier. The value of such a type,
// and every value that is not a string, is # and its DER in hexadecimal. The result
// is empty if the Name is malformed.
func RFC2253(name ber.Element) string { return write(name, true, ",", "+") }

// Display returns a Name like [RFC2253], in encoded or in reverse order, with
// spaces after the separators.
func Display(name ber.Element, reverse bool) string { return write(name, reverse, ", ", " + ") }

func write(name ber.Element, reverse bool, separator, and string) string {
	list, err := Attributes(name)
	if err != nil {
		return ""
	}
	if reverse {
		slices.Reverse(list)
	}
	var text strings.Builder
	for i, a := range list {
		switch {
		case i == 0:
		case a.RDN == list[i-1].RDN:
			text.WriteString(and)
		default:
			text.WriteString(separator)
		}
		a.write(&text)
	}
	return text.String()
}

func (a Attribute) write(text *strings.Builder) {
	name, short := shortNames[string(a.OID)]
	if !short {
		name = DottedOID(a.OID)
	}
	text.WriteString(name + "=")
	value, ok := a.Text()
	if !short || !ok {
		text.WriteString("#" + strings.ToUpper(hex.EncodeToString(a.Value.Raw)))
		return
	}
	for i, r := range value {
		switch {
		case strings.ContainsRune(`,+"\<>;`, r),
			i == 0 && (r == ' ' || r == '#'),
			i == len(value)-1 && r == ' ':
			text.WriteByte('\\')
			text.WriteRune(r)
		case !Visible(r): // it could change how the rest is displayed
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(text, "\\%02X", c)
			}
		default:
			text.WriteRune(r)
		}
	}
}
