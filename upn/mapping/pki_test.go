package mapping_test

import (
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Attribute types.
const (
	cn      = "2.5.4.3"
	ou      = "2.5.4.11"
	org     = "2.5.4.10"
	country = "2.5.4.6"
	state   = "2.5.4.8"
	number  = "2.5.4.5"
	dc      = "0.9.2342.19200300.100.1.25"
	uid     = "0.9.2342.19200300.100.1.1"
	email   = "1.2.840.113549.1.9.1"
)

// An attr is an attribute of a relative name. Tag 0 is UTF8String.
type attr struct {
	oid   string
	value string
	tag   cbasn1.Tag
}

// A dn is a distinguished name: the attributes of each relative name.
type dn [][]attr

// rdns returns a name with one attribute in each relative name. The arguments are
// type, value, type, value.
func rdns(pairs ...string) dn {
	var n dn
	for i := 0; i < len(pairs); i += 2 {
		n = append(n, []attr{{oid: pairs[i], value: pairs[i+1]}})
	}
	return n
}

// A spec describes a certificate. The zero value is valid and has no extensions.
type spec struct {
	serial          []byte // content of the INTEGER; nil: 1
	issuer, subject dn     // nil: a short name
	extensions      [][]byte
	notBefore       time.Time
	key             []byte // SubjectPublicKeyInfo; nil: a P-256 key
}

var day = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func oid(s string) asn1.ObjectIdentifier {
	parsed, err := x509.ParseOID(s)
	if err != nil {
		panic(err)
	}
	der, err := parsed.MarshalBinary()
	if err != nil {
		panic(err)
	}
	var id asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(append([]byte{6, byte(len(der))}, der...), &id); err != nil {
		panic(err)
	}
	return id
}

func addDN(b *cryptobyte.Builder, n dn) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, rdn := range n {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				for _, a := range rdn {
					tag := a.tag
					if tag == 0 {
						tag = cbasn1.UTF8String
					}
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oid(a.oid))
						b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.value)) })
					})
				}
			})
		}
	})
}

func spki(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(testkeys.ECDSA(elliptic.P256(), 0).Public())
	require.NoError(t, err)
	return der
}

// make encodes the certificate. Its signature does not verify.
func (s spec) make(t testing.TB) []byte {
	t.Helper()
	if s.serial == nil {
		s.serial = []byte{1}
	}
	if s.issuer == nil {
		s.issuer = rdns(dc, "com", dc, "contoso", cn, "CONTOSO-DC-CA")
	}
	if s.subject == nil {
		s.subject = rdns(dc, "com", dc, "contoso", ou, "UserAccounts", cn, "mfatest")
	}
	if s.notBefore.IsZero() {
		s.notBefore = day
	}
	if s.key == nil {
		s.key = spki(t)
	}
	algorithm := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid("1.2.840.10045.4.3.2")) })
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
			b.AddASN1(cbasn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(s.serial) })
			algorithm(b)
			addDN(b, s.issuer)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1UTCTime(s.notBefore)
				b.AddASN1UTCTime(s.notBefore.AddDate(3, 0, 0))
			})
			addDN(b, s.subject)
			b.AddBytes(s.key)
			if s.extensions != nil {
				b.AddASN1(cbasn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						for _, x := range s.extensions {
							b.AddBytes(x)
						}
					})
				})
			}
		})
		algorithm(b)
		b.AddASN1BitString([]byte{0x30, 6, 2, 1, 1, 2, 1, 1})
	})
	der, err := b.Bytes()
	require.NoError(t, err)
	return der
}

// extension encodes an extension.
func extension(id string, value []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid(id))
		b.AddASN1OctetString(value)
	})
	return b.BytesOrPanic()
}

// sequence encodes a SEQUENCE.
func sequence(items ...[]byte) []byte { return tagged(cbasn1.SEQUENCE, items...) }

func tagged(tag cbasn1.Tag, items ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, item := range items {
			b.AddBytes(item)
		}
	})
	return b.BytesOrPanic()
}

func identifier(s string) []byte {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(oid(s))
	return b.BytesOrPanic()
}

var explicit = cbasn1.Tag(0).ContextSpecific().Constructed()

func upnName(s string) []byte {
	return tagged(explicit, identifier("1.3.6.1.4.1.311.20.2.3"), tagged(explicit, tagged(cbasn1.UTF8String, []byte(s))))
}

func rfc822Name(s string) []byte { return tagged(cbasn1.Tag(1).ContextSpecific(), []byte(s)) }

func uri(s string) []byte { return tagged(cbasn1.Tag(6).ContextSpecific(), []byte(s)) }

const sidURI = "tag:microsoft.com,2022-09-14:sid:"

func san(names ...[]byte) []byte { return extension("2.5.29.17", sequence(names...)) }

func sidExtension(sid string) []byte {
	return extension("1.3.6.1.4.1.311.25.2", sequence(tagged(explicit,
		identifier("1.3.6.1.4.1.311.25.2.1"), tagged(explicit, tagged(cbasn1.OCTET_STRING, []byte(sid))))))
}

func ski(id string) []byte {
	b, err := hex.DecodeString(id)
	if err != nil {
		panic(err)
	}
	return extension("2.5.29.14", tagged(cbasn1.OCTET_STRING, b))
}

func policies(oids ...string) []byte {
	var infos [][]byte
	for _, o := range oids {
		infos = append(infos, sequence(identifier(o)))
	}
	return extension("2.5.29.32", sequence(infos...))
}

func thumbprint(der []byte) [20]byte { return sha1.Sum(der) }
