// Package certtest encodes certificates for tests, valid or malformed: each field
// can be any bytes. No signature verifies.
//
// The zero [Certificate] is well-formed: version 3, CN=Alice, an RSA key, valid
// from 2020 to 2049, no extensions.
package certtest

import (
	"strconv"
	"strings"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// A Certificate holds the fields of a certificate, each the whole DER of its
// element. A nil field has a valid default.
type Certificate struct {
	Version   []byte // with its explicit tag
	Serial    []byte
	Signature []byte
	Issuer    []byte
	NotBefore []byte
	NotAfter  []byte
	Validity  []byte // overrides the two dates
	Subject   []byte
	Key       []byte // SubjectPublicKeyInfo

	Extensions [][]byte // without any, the list is absent
	List       []byte   // extension list with its explicit tag, overrides Extensions

	Trailer []byte // appended to TBSCertificate

	SignatureAlgorithm []byte // of the certificate; nil: Signature
	SignatureValue     []byte // BIT STRING
}

// DER encodes the certificate.
func (c Certificate) DER() []byte {
	signature := or(c.Signature, Sequence(OID("1.2.840.113549.1.1.11"), ber.Append(nil, ber.Null, nil)))
	list := c.List
	if list == nil && len(c.Extensions) > 0 {
		list = ber.Append(nil, 0xA3, Sequence(c.Extensions...))
	}
	tbs := Sequence(
		or(c.Version, ber.Append(nil, 0xA0, ber.Append(nil, ber.Integer, []byte{2}))),
		or(c.Serial, ber.Append(nil, ber.Integer, []byte{1})),
		signature,
		or(c.Issuer, Name("CN=Test CA")),
		or(c.Validity, Sequence(or(c.NotBefore, UTCTime("200101000000Z")), or(c.NotAfter, UTCTime("491231235959Z")))),
		or(c.Subject, Name("CN=Alice")),
		or(c.Key, RSAKey(2048)),
		list,
		c.Trailer,
	)
	return Sequence(tbs, or(c.SignatureAlgorithm, signature), or(c.SignatureValue, ber.Append(nil, ber.BitString, make([]byte, 257))))
}

func or(field, otherwise []byte) []byte {
	if field != nil {
		return field
	}
	return otherwise
}

// Sequence encodes a SEQUENCE.
func Sequence(elements ...[]byte) []byte {
	var value []byte
	for _, e := range elements {
		value = append(value, e...)
	}
	return ber.Append(nil, ber.Sequence, value)
}

// OID encodes an OBJECT IDENTIFIER.
func OID(dotted string) []byte {
	var arcs []uint64
	for arc := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.ParseUint(arc, 10, 64)
		if err != nil {
			panic("certtest: " + dotted + ": " + err.Error())
		}
		arcs = append(arcs, n)
	}
	arcs[1] += 40 * arcs[0]
	var value []byte
	for _, arc := range arcs[1:] {
		digits := []byte{byte(arc & 0x7F)}
		for arc >>= 7; arc > 0; arc >>= 7 {
			digits = append([]byte{byte(arc) | 0x80}, digits...)
		}
		value = append(value, digits...)
	}
	return ber.Append(nil, ber.OID, value)
}

// UTCTime encodes a UTCTime with any text.
func UTCTime(text string) []byte { return ber.Append(nil, ber.UTCTime, []byte(text)) }

// GeneralizedTime encodes a GeneralizedTime with any text.
func GeneralizedTime(text string) []byte { return ber.Append(nil, ber.GeneralizedTime, []byte(text)) }

// Name encodes a distinguished name. Each argument is a relative name, such as
// "CN=Alice" or "CN=Alice+UID=7". The type is C, O, OU, CN, DC, UID, E or a dotted
// object identifier.
func Name(rdns ...string) []byte {
	types := map[string]string{
		"C": "2.5.4.6", "O": "2.5.4.10", "OU": "2.5.4.11", "CN": "2.5.4.3",
		"DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1", "E": "1.2.840.113549.1.9.1",
	}
	var sets [][]byte
	for _, rdn := range rdns {
		var set []byte
		for attribute := range strings.SplitSeq(rdn, "+") {
			kind, value, _ := strings.Cut(attribute, "=")
			tag := ber.UTF8String
			if kind == "E" || kind == "DC" {
				tag = ber.IA5String
			}
			if oid, ok := types[kind]; ok {
				kind = oid
			}
			set = append(set, Sequence(OID(kind), ber.Append(nil, tag, []byte(value)))...)
		}
		sets = append(sets, ber.Append(nil, ber.Set, set))
	}
	return Sequence(sets...)
}

// Attributes encodes a distinguished name with attributes of one type, each in its
// own relative name. A value is the whole DER of a string or another element.
func Attributes(kind string, values ...[]byte) []byte {
	var sets [][]byte
	for _, v := range values {
		sets = append(sets, ber.Append(nil, ber.Set, Sequence(OID(kind), v)))
	}
	return Sequence(sets...)
}

// RSAKey encodes a SubjectPublicKeyInfo with a modulus of that length, a multiple
// of 8. It has no private key.
func RSAKey(bits int) []byte {
	modulus := make([]byte, bits/8+1)
	modulus[1], modulus[bits/8] = 0x80, 1
	key := Sequence(ber.Append(nil, ber.Integer, modulus), ber.Append(nil, ber.Integer, []byte{1, 0, 1}))
	return Key("1.2.840.113549.1.1.1", ber.Append(nil, ber.Null, nil), key)
}

// ECKey encodes a SubjectPublicKeyInfo on the curve with that object identifier.
// Its point is invalid.
func ECKey(curve string) []byte {
	return Key("1.2.840.10045.2.1", OID(curve), []byte{4, 1, 2})
}

// Key encodes a SubjectPublicKeyInfo. Parameters may be nil.
func Key(algorithm string, parameters, public []byte) []byte {
	return Sequence(Sequence(OID(algorithm), parameters), ber.Append(nil, ber.BitString, append([]byte{0}, public...)))
}

// Extension encodes an extension.
func Extension(oid string, value []byte) []byte {
	return Sequence(OID(oid), ber.Append(nil, ber.OctetString, value))
}

// Critical encodes a critical extension.
func Critical(oid string, value []byte) []byte {
	return Sequence(OID(oid), ber.Append(nil, ber.Boolean, []byte{0xFF}), ber.Append(nil, ber.OctetString, value))
}

// SAN encodes a subject alternative name extension of general names.
func SAN(names ...[]byte) []byte { return Extension("2.5.29.17", Sequence(names...)) }

// UPN encodes the otherName with a User Principal Name.
func UPN(name string) []byte {
	return OtherName("1.3.6.1.4.1.311.20.2.3", ber.Append(nil, ber.UTF8String, []byte(name)))
}

// OtherName encodes an otherName.
func OtherName(oid string, value []byte) []byte {
	return ber.Append(nil, 0xA0, append(OID(oid), ber.Append(nil, 0xA0, value)...))
}

// Email encodes an rfc822Name.
func Email(address string) []byte { return GeneralName(1, address) }

// GeneralName encodes a general name with a primitive implicit tag: 1 rfc822Name,
// 2 dNSName, 6 URI, 7 iPAddress, 8 registeredID.
func GeneralName(number byte, content string) []byte {
	return ber.Append(nil, ber.Tag(0x80|number), []byte(content))
}

// KeyUsage encodes a key usage extension. The content is that of the BIT STRING:
// the count of unused bits, then the bits.
func KeyUsage(content ...byte) []byte {
	return Critical("2.5.29.15", ber.Append(nil, ber.BitString, content))
}

// DigitalSignature encodes a key usage extension with that bit only.
func DigitalSignature() []byte { return KeyUsage(7, 0x80) }

// Object identifiers of extended key usages.
const (
	SmartCardLogon = "1.3.6.1.4.1.311.20.2.2"
	ClientAuth     = "1.3.6.1.5.5.7.3.2"
	AnyPurpose     = "2.5.29.37.0"
)

// EKU encodes an extended key usage extension.
func EKU(oids ...string) []byte {
	var list [][]byte
	for _, oid := range oids {
		list = append(list, OID(oid))
	}
	return Extension("2.5.29.37", Sequence(list...))
}

// Template encodes the extension of a Windows CA with the certificate template.
func Template(oid string, major, minor byte) []byte {
	return Extension("1.3.6.1.4.1.311.21.7", Sequence(OID(oid),
		ber.Append(nil, ber.Integer, []byte{major}), ber.Append(nil, ber.Integer, []byte{minor})))
}

// Logon returns a certificate with a UPN that Windows offers for sign-in.
func Logon(upn string) Certificate {
	return Certificate{Extensions: [][]byte{DigitalSignature(), EKU(ClientAuth, SmartCardLogon), SAN(UPN(upn))}}
}
