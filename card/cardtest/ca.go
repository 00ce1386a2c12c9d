package cardtest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"time"

	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// A CA issues test certificates. It is safe for concurrent use.
type CA struct {
	key         crypto.Signer
	certificate *x509.Certificate
	root        *x509.Certificate
}

// TestCA returns a certification authority with a fixed, public key. Certificates
// that one CA issued verify under the root of every other. The root is valid for ten
// years before and after the current year.
func TestCA() *CA {
	key := testkeys.Signer(2048, 2)
	template := authority("Test CA", 1)
	root := parse(sign(template, template, key.Public(), key))
	return &CA{key: key, certificate: root, root: root}
}

// Intermediate returns a CA of that common name whose certificate ca issued. Its key
// is fixed and public, too, and the same for every name.
func (ca *CA) Intermediate(name string) *CA {
	key := testkeys.Signer(2048, 1)
	hash := sha256.Sum256([]byte(name))
	template := authority(name, int64(binary.BigEndian.Uint32(hash[:]))+2)
	return &CA{key: key, certificate: parse(sign(template, ca.certificate, key.Public(), ca.key)), root: ca.root}
}

func authority(name string, serial int64) *x509.Certificate {
	year := time.Now().UTC().Year()
	return &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{CommonName: name, Organization: []string{"cardtest"}},
		NotBefore:             time.Date(year-10, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(year+11, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

func parse(der []byte) *x509.Certificate {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic("cardtest: certificate of a CA: " + err.Error())
	}
	return c
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		panic(fmt.Sprintf("cardtest: certificate for %q: %v", template.Subject, err))
	}
	return der
}

// Certificate returns the certificate of the CA in DER, which is the root certificate
// unless the CA is an intermediate one.
func (ca *CA) Certificate() []byte { return ca.certificate.Raw }

// Pool returns a pool with the root certificate.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.root)
	return pool
}

// RevocationList returns the DER of a list that revokes the certificates with these
// serial numbers. It is valid from one time to the next; its number is the first.
func (ca *CA) RevocationList(this, next time.Time, serials ...*big.Int) []byte {
	template := &x509.RevocationList{Number: big.NewInt(this.Unix()), ThisUpdate: this, NextUpdate: next}
	for _, s := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: s, RevocationTime: this})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, ca.root, ca.key)
	if err != nil {
		panic("cardtest: revocation list: " + err.Error())
	}
	return der
}

// Issue issues the certificate that l describes and returns its key and the
// certificate in DER. It panics if crypto/x509 cannot encode l.
func (ca *CA) Issue(l Leaf) (crypto.Signer, []byte) {
	if l.Key == nil {
		l.Key = Key(RSA2048, 0)
	}
	template := &x509.Certificate{
		SerialNumber:    l.Serial,
		Subject:         l.subject(),
		KeyUsage:        l.KeyUsage,
		ExtraExtensions: l.extensions(),
	}
	template.NotBefore, template.NotAfter = l.validity(time.Now())
	if template.KeyUsage == 0 && !l.NoKeyUsage {
		template.KeyUsage = x509.KeyUsageDigitalSignature
	}
	if template.SerialNumber == nil {
		template.SerialNumber = l.serial()
	}
	return l.Key, sign(template, ca.certificate, l.Key.Public(), ca.key)
}

// serial returns a number of 63 bits derived from the fields of l, so not from the
// time of issue.
func (l Leaf) serial() *big.Int {
	public, err := x509.MarshalPKIXPublicKey(l.Key.Public())
	if err != nil {
		panic("cardtest: public key: " + err.Error())
	}
	h := sha256.New()
	fmt.Fprintf(h, "%x|%v|%v|%t|%d|%t", public, l.subject(), l.extensions(), l.CriticalSAN, l.KeyUsage, l.NoKeyUsage)
	fmt.Fprintf(h, "|%d|%d", l.NotBefore.Unix(), l.NotAfter.Unix())
	n := new(big.Int).SetBytes(h.Sum(nil)[:8])
	n.SetBit(n, 63, 0).SetBit(n, 62, 1) // positive, always 8 bytes
	return n
}
