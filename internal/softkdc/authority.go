package softkdc

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"

	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// An Authority issues certificates for KDCs.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// NewAuthority returns an authority with a self-signed certificate. edit, if not
// nil, changes the template.
func NewAuthority(edit func(*x509.Certificate)) *Authority {
	a := &Authority{key: testkeys.ECDSA(p256, 2)}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "KDC CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	if edit != nil {
		edit(template)
	}
	raw := must(x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key))
	a.cert = must(x509.ParseCertificate(raw))
	return a
}

// Certificate returns the certificate of the authority in DER.
func (a *Authority) Certificate() []byte { return a.cert.Raw }

// Pool returns a pool with the certificate of the authority.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// An Identity is the key and the certificates of a KDC.
type Identity struct {
	Key   crypto.Signer
	Chain [][]byte // leaf first
}

// Issue issues a certificate for the KDC of a realm: with the purpose of a KDC and
// the name krbtgt/REALM. edit, if not nil, changes the template; its PublicKey takes
// the place of that of the key.
func (a *Authority) Issue(realm string, edit func(*x509.Certificate)) Identity {
	key := testkeys.RSA(2048, 1)
	template := &x509.Certificate{
		SerialNumber:       big.NewInt(2),
		Subject:            pkix.Name{CommonName: "KDC of " + realm},
		NotBefore:          time.Now().Add(-time.Hour),
		NotAfter:           time.Now().AddDate(1, 0, 0),
		KeyUsage:           x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 2, 3, 5}},
		SubjectKeyId:       []byte("the KDC's key"),
		ExtraExtensions:    []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: seq(PKINITName(realm, realm))}},
	}
	if edit != nil {
		edit(template)
	}
	public := key.Public()
	if template.PublicKey != nil {
		public = template.PublicKey
	}
	raw := must(x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key))
	return Identity{Key: key, Chain: [][]byte{raw}}
}

// PKINITName returns the GeneralName krbtgt/SERVED in a realm (RFC 4556, 3.2.4). The
// two are the same for a KDC.
func PKINITName(realm, served string) []byte {
	value := seq(field(0, general(realm)), field(1, principal(1, "krbtgt", served)))
	return wrap(asn1.ClassContextSpecific, 0, der(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 2}), field(0, value))
}

func principal(kind int, parts ...string) []byte {
	var list [][]byte
	for _, p := range parts {
		list = append(list, general(p))
	}
	return seq(field(0, der(kind)), field(1, seq(list...)))
}
