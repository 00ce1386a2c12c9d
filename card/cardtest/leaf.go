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

// Purposes for [Leaf.EKUs].
const (
	SmartCardLogon = "1.3.6.1.4.1.311.20.2.2"
	ClientAuth     = "1.3.6.1.5.5.7.3.2"
	AnyPurpose     = "2.5.29.37.0"
)

// A Leaf says what certificate [CA.Issue] makes. The zero value is a good
// certificate to sign in with on Windows, but that it names nobody.
type Leaf struct {
	// Key is the key that is certified, nil for Key(RSA2048, 0).
	Key crypto.Signer

	// Subject is the subject. Nil is a common name made of the first UPN,
	// e-mail address or "Test"; a name without parts is an empty subject.
	Subject *pkix.Name

	// UPNs, Emails and URIs go into the subject alternative name, in this
	// order: as otherNames with the user principal name, as rfc822Names and as
	// uniformResourceIdentifiers. Nothing checks them.
	UPNs, Emails, URIs []string

	// CriticalSAN marks the subject alternative name as critical.
	CriticalSAN bool

	// EKUs are the purposes, dotted decimal. Nil is smart card logon and
	// client authentication; NoEKU leaves the extension out.
	EKUs  []string
	NoEKU bool

	// KeyUsage is the key usage. Zero is digital signature; NoKeyUsage leaves
	// the extension out.
	KeyUsage   x509.KeyUsage
	NoKeyUsage bool

	// NotBefore and NotAfter are the validity, to the second. Zero is an hour
	// ago and a year after NotBefore.
	NotBefore, NotAfter time.Time

	// Template is the certificate template: a name (of a version 1 template)
	// or an object identifier, dotted decimal (version 2, template version
	// 100.4). Empty leaves it out.
	Template string

	// SID is the security identifier of the account, such as
	// S-1-5-21-1111111111-2222222222-3333333333-1105. Empty leaves it out.
	SID string

	// Serial is the serial number. Nil is one made of the other fields, so that
	// the same Leaf has the same number each time.
	Serial *big.Int

	// Extensions are added as they are. One that the other fields would make
	// too takes its place.
	Extensions []pkix.Extension
}

// Object identifiers of extensions and of what they hold.
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

// extensions are those that crypto/x509 does not make.
func (l Leaf) extensions() []pkix.Extension {
	out := l.Extensions
	add := func(id string, critical bool, value []byte) {
		for _, e := range l.Extensions {
			if e.Id.String() == id {
				return
			}
		}
		out = append(out[:len(out):len(out)], pkix.Extension{Id: parseOID(id), Critical: critical, Value: value})
	}
	if san := l.san(); len(san) > 0 {
		add(oidSAN, l.CriticalSAN, ber.Append(nil, ber.Sequence, san))
	}
	if !l.NoEKU {
		ekus := l.EKUs
		if ekus == nil {
			ekus = []string{ClientAuth, SmartCardLogon}
		}
		var list []byte
		for _, id := range ekus {
			list = ber.Append(list, ber.OID, encodeOID(id))
		}
		add(oidEKU, false, ber.Append(nil, ber.Sequence, list))
	}
	if l.Template != "" {
		add(l.template())
	}
	if l.SID != "" {
		sid := otherName(oidNTDSSID, ber.Append(nil, ber.OctetString, []byte(l.SID)))
		add(oidSID, false, ber.Append(nil, ber.Sequence, sid))
	}
	return out
}

// san is the content of the subject alternative name.
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

// otherName is a GeneralName of a kind that an object identifier tells.
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

// encodeOID is the content of the DER encoding.
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

// parseOID is for our own constants.
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
