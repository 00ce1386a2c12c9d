package challenge_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// origin is the audience of all tests.
const origin = "https://example.com"

var (
	oidUPN            = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidSmartCardLogon = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}

	// clock is the time of all tests.
	clock = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

func upnName(s string) func(*cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidUPN)
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
			})
		})
	}
}

func rfc822Name(s string) func(*cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(1).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
	}
}

// rawName writes a GeneralName with its tag and length.
func rawName(der string) func(*cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) { b.AddBytes([]byte(der)) }
}

// san returns a subject alternative name extension.
func san(critical bool, names ...func(*cryptobyte.Builder)) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, name := range names {
			name(b)
		}
	})
	return pkix.Extension{Id: oidSubjectAltName, Critical: critical, Value: b.BytesOrPanic()}
}

// An authority issues certificates in tests. Its key is fixed.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newAuthority(t testing.TB, name string, parent *authority, key crypto.Signer, edit ...func(*x509.Certificate)) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
		SubjectKeyId:          []byte(name),
	}
	for _, f := range edit {
		f(template)
	}
	a := &authority{key: key, cert: template}
	if parent == nil {
		parent = a
	}
	cert, err := x509.ParseCertificate(parent.sign(t, template, key.Public()))
	require.NoError(t, err)
	a.cert = cert
	return a
}

func (a *authority) sign(t testing.TB, template *x509.Certificate, pub crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, pub, a.key)
	require.NoError(t, err)
	return der
}

// issue returns a sign-in certificate for alice@example.com.
func (a *authority) issue(t testing.TB, pub crypto.PublicKey, edit ...func(*x509.Certificate)) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:       big.NewInt(7),
		Subject:            pkix.Name{CommonName: "Alice"},
		NotBefore:          time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:           time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:           x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{oidSmartCardLogon},
		ExtKeyUsage:        []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions:    []pkix.Extension{san(false, upnName("alice@example.com"))},
	}
	for _, f := range edit {
		f(template)
	}
	return a.sign(t, template, pub)
}

// issueRaw issues a certificate that crypto/x509 does not write: spoil changes bytes,
// but not the length, and the certificate is signed again.
func (a *authority) issueRaw(t testing.TB, pub crypto.PublicKey, spoil func([]byte) []byte, edit ...func(*x509.Certificate)) []byte {
	t.Helper()
	der := a.issue(t, pub, edit...)
	if spoil == nil {
		return der
	}
	spoilt := spoil(bytes.Clone(der))
	require.NotEqual(t, der, spoilt)
	require.Len(t, spoilt, len(der))
	var cert struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	_, err := asn1.Unmarshal(spoilt, &cert)
	require.NoError(t, err)
	digest := sha256.Sum256(cert.TBS.FullBytes)
	signature, err := a.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	cert.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err = asn1.Marshal(cert)
	require.NoError(t, err)
	return der
}

func withSAN(critical bool, names ...func(*cryptobyte.Builder)) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{san(critical, names...)} }
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

// A repeatable ECDSA key signs deterministically (RFC 6979).
type repeatable struct{ *ecdsa.PrivateKey }

func (k repeatable) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.PrivateKey.Sign(nil, digest, opts)
}

// A fixedSalt key signs RSASSA-PSS deterministically, with a salt of zeros (RFC 8017,
// 9.1.1).
type fixedSalt struct{ *rsa.PrivateKey }

func (k fixedSalt) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, pss := opts.(*rsa.PSSOptions); !pss {
		return k.PrivateKey.Sign(rand, digest, opts)
	}
	const hashLen, saltLen = 32, 32
	m := append(make([]byte, 8), digest...)
	h := sha256.Sum256(append(m, make([]byte, saltLen)...))
	db := make([]byte, k.Size()-hashLen-1)
	db[len(db)-saltLen-1] = 1
	for i := range db { // MGF1
		counter := binary.BigEndian.AppendUint32(nil, uint32(i/hashLen))
		mask := sha256.Sum256(append(h[:], counter...))
		db[i] ^= mask[i%hashLen]
	}
	db[0] &= 0x7F
	em := append(append(db, h[:]...), 0xBC)
	s := new(big.Int).Exp(new(big.Int).SetBytes(em), k.D, k.N)
	return s.FillBytes(make([]byte, k.Size())), nil
}

// A keyKind is a key that an answer can be signed with.
type keyKind struct {
	name string
	key  crypto.Signer
}

func keyKinds() []keyKind {
	return []keyKind{
		{"rsa-pkcs1", testkeys.RSA(2048, 0)},
		{"rsa-pss", challenge.PSS(fixedSalt{testkeys.RSA(2048, 0)})},
		{"p256", repeatable{testkeys.ECDSA(elliptic.P256(), 0)}},
		{"p384", repeatable{testkeys.ECDSA(elliptic.P384(), 0)}},
		{"p521", repeatable{testkeys.ECDSA(elliptic.P521(), 0)}},
		{"ed25519", testkeys.Ed25519()},
	}
}

// p224Key returns a key that no answer can be signed with.
func p224Key(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	return key
}
