package piv_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

func TestAttestation(t *testing.T) {
	roots := x509.NewCertPool()
	root, err := x509.ParseCertificate(piv.AttestationRoot())
	require.NoError(t, err)
	roots.AddCert(root)
	assert.Equal(t, root.Raw, piv.AttestationRoot(), "AttestationRoot is constant")

	for _, alg := range []piv.Algorithm{piv.RSA1024, piv.RSA2048, piv.P256, piv.P384, piv.Ed25519, piv.X25519} {
		t.Run(fmt.Sprintf("%02X", byte(alg)), func(t *testing.T) {
			c := newYubiKey(t, "5.7.4", piv.Config{})
			authenticateFirmwareKey(c, "5.7.4")
			require.Equal(t, "9000", status(c.send(generateCommand(0x9C, alg, 0xAB, 1, 3))))
			resp := c.send(command(0xF9, 0x9C, 0x00, nil))
			require.Equal(t, "9000", status(resp))
			leaf, err := x509.ParseCertificate(unhex(t, resp[:len(resp)-4]))
			require.NoError(t, err)

			object := unhex(t, strings.TrimSuffix(c.send(getDataCommand(0x5FFF01)), "9000"))
			outer, _, err := ber.Find(object, 0x53)
			require.NoError(t, err)
			der, _, err := ber.Find(outer, 0x70)
			require.NoError(t, err)
			issuer, err := x509.ParseCertificate(der)
			require.NoError(t, err)
			intermediates := x509.NewCertPool()
			intermediates.AddCert(issuer)
			_, err = leaf.Verify(x509.VerifyOptions{
				Roots: roots, Intermediates: intermediates, CurrentTime: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
				KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
			})
			require.NoError(t, err)

			key, err := fixedKey(alg)
			require.NoError(t, err)
			public, err := x509.ParsePKIXPublicKey(leaf.RawSubjectPublicKeyInfo)
			require.NoError(t, err)
			assert.True(t, key.(interface{ Public() crypto.PublicKey }).Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(public))
			assert.Equal(t, "YubiKey PIV Attestation 9c", leaf.Subject.CommonName)
			assert.Equal(t, byte(ber.UTF8String), leaf.RawSubject[11], "UTF8String")
			assert.Equal(t, issuer.NotAfter, leaf.NotAfter)
			got := map[string]string{}
			for _, e := range leaf.Extensions {
				got[e.Id.String()] = hex.EncodeToString(e.Value)
			}
			assert.Equal(t, map[string]string{
				"1.3.6.1.4.1.41482.3.3": "050704", "1.3.6.1.4.1.41482.3.7": "020400ae17cb",
				"1.3.6.1.4.1.41482.3.8": "0303", "1.3.6.1.4.1.41482.3.9": "01",
			}, got)
		})
	}
}

func TestReplacedAttestationKey(t *testing.T) {
	for _, issuer := range []crypto.Signer{testkeys.RSA(2048, 0), p256, testkeys.ECDSA(elliptic.P384(), 0), testkeys.Ed25519()} {
		t.Run(fmt.Sprintf("%T", issuer), func(t *testing.T) {
			template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)}
			der, err := x509.CreateCertificate(rand.Reader, template, template, issuer.Public(), issuer)
			require.NoError(t, err)
			parent, err := x509.ParseCertificate(der)
			require.NoError(t, err)
			c := newYubiKey(t, "5.7.4", piv.Config{})
			require.NoError(t, c.app.Put(0xF9, issuer, der))
			authenticateFirmwareKey(c, "5.7.4")
			for _, alg := range []piv.Algorithm{piv.P256, piv.X25519} {
				c.send(generateCommand(0x9A, alg))
				resp := c.send(command(0xF9, 0x9A, 0x00, nil))
				require.Equal(t, "9000", status(resp))
				leaf, err := x509.ParseCertificate(unhex(t, resp[:len(resp)-4]))
				require.NoError(t, err)
				assert.NoError(t, parent.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature))
			}
		})
	}
	c := newYubiKey(t, "5.7.4", piv.Config{})
	require.NoError(t, c.app.Put(0xF9, testkeys.X25519(), nil))
	authenticateFirmwareKey(c, "5.7.4")
	c.send(generateCommand(0x9A, piv.P256))
	assert.Equal(t, "6a80", c.send("00f99a00"), "attestation key that cannot sign")
}

func TestAttestErrors(t *testing.T) {
	c := newYubiKey(t, "5.7.4", piv.Config{})
	require.NoError(t, c.app.Put(0x9C, p256, nil))
	authenticateFirmwareKey(c, "5.7.4")
	require.Equal(t, "9000", status(c.send(generateCommand(0x9A, piv.P256))))
	assert.Equal(t, "6a80", c.send("00f99d00"), "empty slot")
	assert.Equal(t, "6a80", c.send("00f99c00"), "imported key")
	assert.Equal(t, "6a86", c.send("00f9f900"), "attestation key")
	assert.Equal(t, "6a86", c.send("00f99a01"))
	for name, object := range map[string][]byte{"missing": {}, "malformed": {0x70}, "not a certificate": {0x70, 0x01, 0x00}} {
		c.app.PutObject(0x5FFF01, object)
		assert.Equal(t, "6a80", c.send("00f99a00"), "attestation certificate: %s", name)
	}
	require.Equal(t, "9000", c.send("00f6fff9"))
	assert.Equal(t, "6a80", c.send("00f99a00"), "no attestation key")
}
