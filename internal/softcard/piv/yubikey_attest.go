package piv

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// The slot of the attestation key, and the object with its certificate.
const (
	slotAttestation         = 0xF9
	tagAttestation  ber.Tag = 0x5FFF01
)

// Names of the certificates above an attestation.
const (
	rootName   = "Software YubiKey PIV Root"
	issuerName = "Software YubiKey PIV Attestation"
)

// AttestationRoot returns the root certificate of the attestations of all
// software YubiKeys. Its private key is public, so it attests nothing.
func AttestationRoot() []byte {
	key := testkeys.RSA(2048, 1)
	root := authority(rootName, 1)
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		panic("piv: attestation root: " + err.Error())
	}
	return der
}

// putAttestationKey stores the attestation key of a new YubiKey and its
// certificate.
func (a *Application) putAttestationKey() {
	key := testkeys.RSA(2048, 2)
	der, err := x509.CreateCertificate(rand.Reader, authority(issuerName, 2), authority(rootName, 1), key.Public(), testkeys.Signer(2048, 1))
	if err != nil {
		panic("piv: attestation certificate: " + err.Error())
	}
	a.slots[slotAttestation] = &slot{key: key, alg: RSA2048, pin: PINOnce, touch: touchState{policy: TouchNever}}
	a.objects[tagAttestation] = ber.Append(nil, 0x70, der)
}

// authority returns the template of the two certificates above an attestation.
func authority(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		RawSubject:            commonName(name),
		NotBefore:             time.Date(2016, 3, 14, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2052, 4, 17, 0, 0, 0, 0, time.UTC),
		BasicConstraintsValid: true,
		IsCA:                  true,
		SubjectKeyId:          []byte(name),
		AuthorityKeyId:        []byte(rootName),
	}
}

// commonName returns a distinguished name with one attribute, a UTF8String.
func commonName(name string) []byte {
	attribute := ber.Append(nil, ber.OID, []byte{0x55, 0x04, 0x03})
	attribute = ber.Append(attribute, ber.UTF8String, []byte(name))
	set := ber.Append(nil, ber.Set, ber.Append(nil, ber.Sequence, attribute))
	return ber.Append(nil, ber.Sequence, set)
}

// attest processes ATTEST: it certifies that a key was generated on the card. An
// imported key is refused.
func (a *Application) attest(c iso.Command) iso.Response {
	if c.P2 != 0 || !isSlot(c.P1) {
		return iso.BadParameters.Response()
	}
	s, issuer := a.slots[c.P1], a.slots[slotAttestation]
	if s == nil || !s.generated || issuer == nil {
		return iso.BadData.Response()
	}
	der, err := a.attestation(c.P1, s, issuer.key)
	if err != nil {
		return iso.BadData.Response()
	}
	return iso.Data(der)
}

// attestation returns a certificate for a key, signed by the attestation key. Its
// issuer is the subject of the certificate stored with that key.
func (a *Application) attestation(ref byte, s *slot, issuer crypto.PrivateKey) ([]byte, error) {
	der, _, err := ber.Find(a.objects[tagAttestation], 0x70)
	if err != nil {
		return nil, err
	}
	parent, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	parent.SubjectKeyId = nil // no authority key identifier: an attestation has only Yubico's extensions
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] &= 0x7F
	leaf := &x509.Certificate{
		SerialNumber:    new(big.Int).SetBytes(serial),
		RawSubject:      commonName(fmt.Sprintf("YubiKey PIV Attestation %02x", ref)),
		NotBefore:       parent.NotBefore,
		NotAfter:        parent.NotAfter,
		ExtraExtensions: a.attestationExtensions(s),
	}
	signer, ok := issuer.(crypto.Signer)
	if !ok {
		return nil, errors.New("piv: attestation key cannot sign")
	}
	if key, ok := s.key.(*ecdh.PrivateKey); ok {
		return certifyX25519(leaf, parent, key.PublicKey().Bytes(), signer)
	}
	return x509.CreateCertificate(rand.Reader, leaf, parent, s.key.(crypto.Signer).Public(), signer)
}

// Subject public key information of RFC 8410, up to the key.
const (
	headEd25519 = "\x30\x2A\x30\x05\x06\x03\x2B\x65\x70\x03\x21\x00"
	headX25519  = "\x30\x2A\x30\x05\x06\x03\x2B\x65\x6E\x03\x21\x00"
)

// certifyX25519 returns a certificate for an X25519 key. crypto/x509 creates
// none, so this creates one for an Ed25519 key, replaces the algorithm of the
// key, and signs it again.
func certifyX25519(leaf, parent *x509.Certificate, key []byte, issuer crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, ed25519.PublicKey(key), issuer)
	if err != nil {
		return nil, err
	}
	r := ber.DER(der)
	outer, _ := r.Next()
	in := outer.Inside()
	tbs, _ := in.Next()
	algorithm, ok := in.Next()
	if !ok {
		return nil, in.Err()
	}
	content := bytes.Replace(tbs.Raw, []byte(headEd25519), []byte(headX25519), 1)
	hash := crypto.SHA256
	switch public := issuer.Public().(type) {
	case ed25519.PublicKey:
		hash = 0
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P384() {
			hash = crypto.SHA384
		}
	}
	digest := content
	if hash != 0 {
		h := hash.New()
		h.Write(content)
		digest = h.Sum(nil)
	}
	signature, err := issuer.Sign(rand.Reader, digest, hash)
	if err != nil {
		return nil, err
	}
	content = append(content, algorithm.Raw...)
	content = ber.Append(content, ber.BitString, append([]byte{0}, signature...))
	return ber.Append(nil, ber.Sequence, content), nil
}

// attestationExtensions returns Yubico's extensions: firmware, serial number,
// policies and form factor. All but the serial number are bare bytes.
func (a *Application) attestationExtensions(s *slot) []pkix.Extension {
	yubico := func(n int) []int { return []int{1, 3, 6, 1, 4, 1, 41482, 3, n} }
	serial := new(big.Int).SetUint64(uint64(a.config.Serial)).Bytes()
	if len(serial) == 0 || serial[0]&0x80 != 0 {
		serial = append([]byte{0}, serial...)
	}
	return []pkix.Extension{
		{Id: yubico(3), Value: a.config.Firmware[:]},
		{Id: yubico(7), Value: ber.Append(nil, ber.Integer, serial)},
		{Id: yubico(8), Value: []byte{byte(s.pin), byte(s.touch.policy)}},
		{Id: yubico(9), Value: []byte{a.config.FormFactor}},
	}
}
