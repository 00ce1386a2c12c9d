package piv_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	softpiv "github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
)

func attestationRoots(t testing.TB) x509.VerifyOptions {
	t.Helper()
	root, err := x509.ParseCertificate(softpiv.AttestationRoot())
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return x509.VerifyOptions{Roots: pool}
}

func TestAttest(t *testing.T) {
	_, p := newCard(firmware5)
	a := adminOf(t, p, piv.AES192)
	y, err := p.YubiKey(t.Context())
	require.NoError(t, err)
	for _, alg := range keyAlgorithms {
		t.Run(alg.String(), func(t *testing.T) {
			public, err := a.Generate(t.Context(), piv.Retired(2), alg, &piv.KeyOptions{PIN: piv.PINAlways, Touch: piv.TouchCached})
			require.NoError(t, err)
			attestation, err := y.Attest(t.Context(), piv.Retired(2))
			require.NoError(t, err)
			attested, err := attestation.Verify(attestationRoots(t))
			require.NoError(t, err)
			assert.Equal(t, &piv.Attested{
				Slot: piv.Retired(2), PublicKey: public, PIN: piv.PINAlways, Touch: piv.TouchCached,
				Firmware: piv.Version{5, 7, 1}, Serial: 11409355, FormFactor: 1,
			}, attested)
		})
	}
}

func TestAttestErrors(t *testing.T) {
	soft := yubikey("5.7.1").Put("9C", testkeys.Ed25519(), nil)
	y, err := open(t, soft).YubiKey(t.Context())
	require.NoError(t, err)
	for _, s := range []piv.Slot{piv.Authentication, piv.Signature} {
		_, err := y.Attest(t.Context(), s)
		assert.ErrorContains(t, err, "the slot has no key that was generated on the card")
	}
	_, err = y.Attest(t.Context(), 0x9B)
	assert.ErrorContains(t, err, "no such slot")
	old, err := open(t, yubikey("4.2.9")).YubiKey(t.Context())
	require.NoError(t, err)
	_, err = old.Attest(t.Context(), piv.Authentication)
	assert.ErrorIs(t, err, errors.ErrUnsupported)

	p := piv.New(card.New("test", replaceResponse{yubikey("5.7.1"), 0xF9, success(tlv(0x30))}))
	y, err = p.YubiKey(t.Context())
	require.NoError(t, err)
	require.NoError(t, adminOf(t, p, piv.AES192).PutObject(t.Context(), 0x5FFF01, nil))
	_, err = y.Attest(t.Context(), piv.Authentication)
	assert.ErrorIs(t, err, piv.ErrNotFound)
	assert.ErrorContains(t, err, "certificate of the attestation key, object 5FFF01")
	y, err = piv.New(card.New("test", replaceResponse{yubikey("5.7.1"), 0xF9, []byte{0x6F, 0}})).YubiKey(t.Context())
	require.NoError(t, err)
	_, err = y.Attest(t.Context(), piv.Authentication)
	assert.ErrorIs(t, err, card.StatusNoDiagnosis)
}

// A forgery is an attestation that a test builds.
type forgery struct {
	subject    string
	extensions map[int][]byte
	issuer     string // the issuer name in the attestation, if it is another
}

func (m forgery) attestation(t *testing.T) *piv.Attestation {
	t.Helper()
	key := testkeys.RSA(2048, 1)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "forged authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true,
	}
	issuer, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	require.NoError(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: m.subject},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
	}
	for n, v := range m.extensions {
		leaf.ExtraExtensions = append(leaf.ExtraExtensions, pkix.Extension{Id: []int{1, 3, 6, 1, 4, 1, 41482, 3, n}, Value: v})
	}
	if m.issuer != "" {
		authority.Subject.CommonName = m.issuer
		authority.RawSubject = nil
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, cardtest.Key(cardtest.P256, 0).Public(), key)
	require.NoError(t, err)
	return &piv.Attestation{Raw: der, Issuer: issuer}
}

// rootsOf returns options whose root is the issuer of a.
func rootsOf(t *testing.T, a *piv.Attestation) x509.VerifyOptions {
	t.Helper()
	root, err := x509.ParseCertificate(a.Issuer)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return x509.VerifyOptions{Roots: pool}
}

var allExtensions = map[int][]byte{3: {5, 4, 3}, 7: {2, 4, 0, 0xAE, 0x17, 0x0B}, 8: {2, 1}, 9: {3}}

func withExtension(n int, value []byte) map[int][]byte {
	extensions := map[int][]byte{}
	for k, v := range allExtensions {
		extensions[k] = v
	}
	if value == nil {
		delete(extensions, n)
	} else {
		extensions[n] = value
	}
	return extensions
}

func TestVerifyAttestation(t *testing.T) {
	const subject = "YubiKey PIV Attestation 9a"
	for name, test := range map[string]struct {
		extensions map[int][]byte
		change     func(*piv.Attested)
	}{
		"all":                   {allExtensions, func(*piv.Attested) {}},
		"no serial number":      {withExtension(7, nil), func(a *piv.Attested) { a.Serial = 0 }},
		"no form factor":        {withExtension(9, nil), func(a *piv.Attested) { a.FormFactor = 0 }},
		"FIPS":                  {withExtension(10, []byte{0}), func(a *piv.Attested) { a.FIPS = true }},
		"CSPN":                  {withExtension(11, []byte{0}), func(a *piv.Attested) { a.CSPN = true }},
		"a large serial number": {withExtension(7, []byte{2, 5, 0, 0xFF, 0, 0, 1}), func(a *piv.Attested) { a.Serial = 0xFF000001 }},
		"an unknown extension":  {withExtension(77, []byte{1}), func(*piv.Attested) {}},
	} {
		t.Run(name, func(t *testing.T) {
			a := forgery{subject: subject, extensions: test.extensions}.attestation(t)
			got, err := a.Verify(rootsOf(t, a))
			require.NoError(t, err)
			want := &piv.Attested{
				Slot: piv.Authentication, PublicKey: cardtest.Key(cardtest.P256, 0).Public(), PIN: piv.PINOnce, Touch: piv.TouchNever,
				Firmware: piv.Version{5, 4, 3}, Serial: 11409163, FormFactor: 3,
			}
			test.change(want)
			assert.Equal(t, want, got)
		})
	}
}

func TestVerifyInvalidAttestation(t *testing.T) {
	const subject = "YubiKey PIV Attestation 9a"
	good := forgery{subject: subject, extensions: allExtensions}.attestation(t)
	forged := *good
	forged.Raw = bytes.Clone(good.Raw)
	forged.Raw[len(forged.Raw)-1] ^= 1
	for name, test := range map[string]struct {
		attestation *piv.Attestation
		options     func(*testing.T, *piv.Attestation) x509.VerifyOptions
		want        string
	}{
		"no roots":    {good, func(*testing.T, *piv.Attestation) x509.VerifyOptions { return x509.VerifyOptions{} }, "no root certificates"},
		"other roots": {good, func(t *testing.T, _ *piv.Attestation) x509.VerifyOptions { return attestationRoots(t) }, "attestation key"},
		"another time": {good, func(t *testing.T, a *piv.Attestation) x509.VerifyOptions {
			o := rootsOf(t, a)
			o.CurrentTime = time.Unix(0, 0)
			return o
		}, "expired or is not yet valid"},
		"a forged signature":               {&forged, rootsOf, "verification error"},
		"no certificate":                   {&piv.Attestation{Raw: []byte("x"), Issuer: good.Issuer}, rootsOf, "piv: attestation is not valid"},
		"no issuer":                        {&piv.Attestation{Raw: good.Raw, Issuer: []byte("x")}, func(t *testing.T, _ *piv.Attestation) x509.VerifyOptions { return attestationRoots(t) }, "attestation key"},
		"another issuer":                   {forgery{subject: subject, extensions: allExtensions, issuer: "other"}.attestation(t), rootsOf, "another attestation key"},
		"no slot":                          {forgery{subject: "YubiKey PIV Attestation", extensions: allExtensions}.attestation(t), rootsOf, "names no slot"},
		"no subject":                       {forgery{extensions: allExtensions}.attestation(t), rootsOf, "names no slot"},
		"an invalid slot":                  {forgery{subject: "YubiKey PIV Attestation 9b", extensions: allExtensions}.attestation(t), rootsOf, "names no slot"},
		"no firmware":                      {forgery{subject: subject, extensions: withExtension(3, nil)}.attestation(t), rootsOf, "firmware or policies"},
		"a firmware of 2 bytes":            {forgery{subject: subject, extensions: withExtension(3, []byte{5, 4})}.attestation(t), rootsOf, "firmware or policies"},
		"no policies":                      {forgery{subject: subject, extensions: withExtension(8, nil)}.attestation(t), rootsOf, "firmware or policies"},
		"a serial number of another type":  {forgery{subject: subject, extensions: withExtension(7, []byte{4, 1, 1})}.attestation(t), rootsOf, "serial number"},
		"a negative serial number":         {forgery{subject: subject, extensions: withExtension(7, []byte{2, 1, 0x80})}.attestation(t), rootsOf, "serial number"},
		"a serial number of 40 bits":       {forgery{subject: subject, extensions: withExtension(7, []byte{2, 5, 1, 0, 0, 0, 0})}.attestation(t), rootsOf, "serial number"},
		"a serial number and another byte": {forgery{subject: subject, extensions: withExtension(7, []byte{2, 1, 1, 0})}.attestation(t), rootsOf, "serial number"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.attestation.Verify(test.options(t, test.attestation))
			assert.Nil(t, got)
			assert.ErrorIs(t, err, piv.ErrAttestation)
			assert.ErrorContains(t, err, test.want)
			assert.Contains(t, card.Hint(err), "maker")
		})
	}
}
