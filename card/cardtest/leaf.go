package cardtest

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Extended key usages for [Leaf.EKUs].
const (
	SmartCardLogon = "1.3.6.1.4.1.311.20.2.2"
	ClientAuth     = "1.3.6.1.5.5.7.3.2"
)

// A Leaf describes a certificate for [CA.Issue]. The zero value is a certificate that
// Windows accepts for signing in, except that it has no user name.
type Leaf struct {
	// Key is the certified key. Nil is Key(RSA2048, 0).
	Key crypto.Signer

	// Subject is the subject. Nil is a common name from the first UPN or e-mail
	// address, or "Test". An empty Name is an empty subject.
	Subject *pkix.Name

	// UPNs, Emails and URIs are the names in the subject alternative name, in
	// this order: otherNames with a user principal name, rfc822Names and
	// uniformResourceIdentifiers. They are not checked.
	UPNs, Emails, URIs []string

	// CriticalSAN marks the subject alternative name as critical.
	CriticalSAN bool

	// EKUs are the extended key usages in dotted decimal. Nil is smart card logon
	// and client authentication. NoEKU omits the extension.
	EKUs  []string
	NoEKU bool

	// KeyUsage is the key usage. Zero is digital signature. NoKeyUsage omits the
	// extension.
	KeyUsage   x509.KeyUsage
	NoKeyUsage bool

	// NotBefore and NotAfter are the validity, to the second. Zero values are an
	// hour before Issue is called and a year after NotBefore.
	NotBefore, NotAfter time.Time

	// Template is the certificate template: the name of a version 1 template, or
	// an object identifier in dotted decimal (version 2, template version 100.4).
	// Empty omits the extension.
	Template string

	// SID is the security identifier of the account, such as
	// S-1-5-21-1111111111-2222222222-3333333333-1105. Empty omits the extension.
	SID string

	// Serial is the serial number. Nil is one derived from the other fields, so
	// equal Leafs have equal numbers.
	Serial *big.Int

	// Extensions are added unchanged. One replaces the extension with the same
	// identifier that the other fields produce.
	Extensions []pkix.Extension
}

// Object identifiers of extensions and of their contents.
const (
	oidSAN        = "2.5.29.17"
	oidEKU        = "2.5.29.37"
	oidTemplateV1 = "1.3.6.1.4.1.311.20.2"
	oidTemplateV2 = "1.3.6.1.4.1.311.21.7"
	oidSID        = "1.3.6.1.4.1.311.25.2"

	oidUPN     = "1.3.6.1.4.1.311.20.2.3"
	oidNTDSSID = "1.3.6.1.4.1.311.25.2.1"
)

// Choices of GeneralName (RFC 5280, 4.2.1.6).
const (
	tagOtherName ber.Tag = 0xA0
	tagRFC822    ber.Tag = 0x81
	tagURI       ber.Tag = 0x86
	tagExplicit0 ber.Tag = 0xA0
)

func (l Leaf) subject() pkix.Name {
	switch {
	case l.Subject != nil:
		return *l.Subject
	case len(l.UPNs) > 0:
		name, _, _ := strings.Cut(l.UPNs[0], "@")
		return pkix.Name{CommonName: name}
	case len(l.Emails) > 0:
		return pkix.Name{CommonName: l.Emails[0]}
	}
	return pkix.Name{CommonName: "Test"}
}

func (l Leaf) validity(now time.Time) (notBefore, notAfter time.Time) {
	notBefore, notAfter = l.NotBefore, l.NotAfter
	if notBefore.IsZero() {
		notBefore = now.Add(-time.Hour)
	}
	if notAfter.IsZero() {
		notAfter = notBefore.AddDate(1, 0, 0)
	}
	return notBefore, notAfter
}

// extensions returns the extensions that crypto/x509 does not encode as needed.
func (l Leaf) extensions() []pkix.Extension {
	list := l.Extensions
	add := func(id string, critical bool, value []byte) {
		for _, e := range l.Extensions {
			if e.Id.String() == id {
				return
			}
		}
		list = append(list[:len(list):len(list)], pkix.Extension{Id: parseOID(id), Critical: critical, Value: value})
	}
	if san := l.san(); len(san) > 0 {
		add(oidSAN, l.CriticalSAN, ber.Append(nil, ber.Sequence, san))
	}
	if !l.NoEKU {
		ekus := l.EKUs
		if ekus == nil {
			ekus = []string{ClientAuth, SmartCardLogon}
		}
		var usages []byte
		for _, id := range ekus {
			usages = ber.Append(usages, ber.OID, encodeOID(id))
		}
		add(oidEKU, false, ber.Append(nil, ber.Sequence, usages))
	}
	if l.Template != "" {
		add(l.template())
	}
	if l.SID != "" {
		sid := otherName(oidNTDSSID, ber.Append(nil, ber.OctetString, []byte(l.SID)))
		add(oidSID, false, ber.Append(nil, ber.Sequence, sid))
	}
	return list
}

// san returns the content of the subject alternative name.
func (l Leaf) san() []byte {
	var names []byte
	for _, upn := range l.UPNs {
		names = append(names, otherName(oidUPN, ber.Append(nil, ber.UTF8String, []byte(upn)))...)
	}
	for _, mail := range l.Emails {
		names = ber.Append(names, tagRFC822, []byte(mail))
	}
	for _, uri := range l.URIs {
		names = ber.Append(names, tagURI, []byte(uri))
	}
	return names
}

// otherName returns a GeneralName of the type otherName.
func otherName(id string, value []byte) []byte {
	content := ber.Append(nil, ber.OID, encodeOID(id))
	content = ber.Append(content, tagExplicit0, value)
	return ber.Append(nil, tagOtherName, content)
}

func (l Leaf) template() (id string, critical bool, value []byte) {
	if _, err := x509.ParseOID(l.Template); err == nil {
		content := ber.Append(nil, ber.OID, encodeOID(l.Template))
		content = ber.Append(content, ber.Integer, []byte{100})
		content = ber.Append(content, ber.Integer, []byte{4})
		return oidTemplateV2, false, ber.Append(nil, ber.Sequence, content)
	}
	var name []byte
	for _, unit := range utf16.Encode([]rune(l.Template)) {
		name = append(name, byte(unit>>8), byte(unit))
	}
	return oidTemplateV1, false, ber.Append(nil, ber.BMPString, name)
}

// encodeOID returns the content of an OBJECT IDENTIFIER in DER.
func encodeOID(dotted string) []byte {
	id, err := x509.ParseOID(dotted)
	if err != nil {
		panic("cardtest: object identifier " + strconv.Quote(dotted) + ": " + err.Error())
	}
	content, err := id.MarshalBinary()
	if err != nil {
		panic("cardtest: object identifier " + strconv.Quote(dotted) + ": " + err.Error())
	}
	return content
}

// parseOID parses a constant of this package for crypto/x509/pkix.
func parseOID(dotted string) []int {
	var id []int
	for arc := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.Atoi(arc)
		if err != nil {
			panic("cardtest: object identifier " + strconv.Quote(dotted))
		}
		id = append(id, n)
	}
	return id
}
