package piv_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
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

var keyAlgorithms = []piv.Algorithm{piv.RSA1024, piv.RSA2048, piv.RSA3072, piv.RSA4096, piv.P256, piv.P384, piv.Ed25519, piv.X25519}

// firmware5 is a YubiKey with every feature.
var firmware5 = softpiv.Config{Firmware: softpiv.Version{5, 7, 1}, Serial: 11409355, FormFactor: 1}

// checkKey opens and uses the key in a slot.
func checkKey(t *testing.T, p *piv.Card, s piv.Slot, public crypto.PublicKey) {
	t.Helper()
	key, err := p.Key(t.Context(), s, public, card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	switch k := public.(type) {
	case *ecdh.PublicKey:
		peer, err := k.Curve().GenerateKey(rand.Reader)
		require.NoError(t, err)
		want, err := peer.ECDH(k)
		require.NoError(t, err)
		got, err := key.ECDH(peer.PublicKey())
		require.NoError(t, err)
		assert.Equal(t, want, got)
	case ed25519.PublicKey:
		_, err = key.Sign(nil, []byte("message"), crypto.Hash(0))
		require.NoError(t, err)
	default:
		_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		require.NoError(t, err)
	}
}

func TestGenerate(t *testing.T) {
	for _, alg := range keyAlgorithms {
		for _, s := range []piv.Slot{piv.Authentication, piv.Signature, piv.KeyManagement, piv.CardAuthentication, piv.Retired(7)} {
			t.Run(alg.String()+" in "+s.String(), func(t *testing.T) {
				_, p := newCard(firmware5)
				public, err := adminOf(t, p, piv.AES192).Generate(t.Context(), s, alg, nil)
				require.NoError(t, err)
				checkKey(t, p, s, public)
			})
		}
	}
}

func TestGenerateOnOtherCards(t *testing.T) {
	for _, alg := range []piv.Algorithm{piv.RSA2048, piv.RSA3072, piv.P256, piv.P384} {
		_, p := newCard(softpiv.Config{})
		public, err := adminOf(t, p, piv.TripleDES).Generate(t.Context(), piv.Authentication, alg, &piv.KeyOptions{})
		require.NoError(t, err, alg)
		checkKey(t, p, piv.Authentication, public)
	}
	_, p := newCard(softpiv.Config{})
	a := adminOf(t, p, piv.TripleDES)
	_, err := a.Generate(t.Context(), piv.Authentication, piv.Ed25519, nil)
	assert.ErrorIs(t, err, card.StatusWrongData, "refused by the card")
	_, err = a.Generate(t.Context(), piv.Retired(1), piv.P256, nil)
	assert.ErrorIs(t, err, card.StatusWrongParameters)
}

func TestKeyPolicies(t *testing.T) {
	_, p := newCard(firmware5)
	a := adminOf(t, p, piv.AES192)
	y, err := p.YubiKey(t.Context())
	require.NoError(t, err)
	for _, test := range []struct {
		options *piv.KeyOptions
		pin     piv.PINPolicy
		touch   piv.TouchPolicy
	}{
		{nil, piv.PINOnce, piv.TouchNever},
		{&piv.KeyOptions{PIN: piv.PINNever}, piv.PINNever, piv.TouchNever},
		{&piv.KeyOptions{PIN: piv.PINAlways, Touch: piv.TouchCached}, piv.PINAlways, piv.TouchCached},
		{&piv.KeyOptions{Touch: piv.TouchAlways}, piv.PINOnce, piv.TouchAlways},
	} {
		public, err := a.Generate(t.Context(), piv.Authentication, piv.P256, test.options)
		require.NoError(t, err)
		m, err := y.Metadata(t.Context(), byte(piv.Authentication))
		require.NoError(t, err)
		assert.Equal(t, &piv.Metadata{Algorithm: piv.P256, PIN: test.pin, Touch: test.touch, Generated: true, PublicKey: public}, m)

		require.NoError(t, a.Import(t.Context(), piv.Authentication, cardtest.Key(cardtest.P384, 0), test.options))
		m, err = y.Metadata(t.Context(), byte(piv.Authentication))
		require.NoError(t, err)
		assert.Equal(t, &piv.Metadata{Algorithm: piv.P384, PIN: test.pin, Touch: test.touch, PublicKey: cardtest.Key(cardtest.P384, 0).Public()}, m)
	}
}

func TestImport(t *testing.T) {
	for _, key := range []crypto.PrivateKey{
		testkeys.RSA(1024, 0), testkeys.RSA(2048, 0), testkeys.RSA(3072, 0), testkeys.RSA(4096, 0),
		cardtest.Key(cardtest.P256, 1), cardtest.Key(cardtest.P384, 1), testkeys.Ed25519(), testkeys.X25519(),
	} {
		for name, options := range map[string][]cardtest.Option{"extended": nil, "chained": {cardtest.ShortLengths}} {
			soft := yubikey("5.7.1", options...)
			p := open(t, soft)
			var public crypto.PublicKey
			if k, ok := key.(*ecdh.PrivateKey); ok {
				public = k.PublicKey()
			} else {
				public = key.(crypto.Signer).Public()
			}
			require.NoError(t, adminOf(t, p, piv.AES192).Import(t.Context(), piv.KeyManagement, key, nil), "%T %s", key, name)
			checkKey(t, p, piv.KeyManagement, public)
		}
	}
}

// Invalid arguments are refused before anything is sent.
func TestInvalidKeyArguments(t *testing.T) {
	soft := yubikey("5.7.1")
	a := adminOf(t, open(t, soft), piv.AES192)
	p521 := cardtest.Key(cardtest.P521, 0)
	p256, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	three := *testkeys.RSA(2048, 0)
	three.E = 3
	inconsistent := *testkeys.RSA(2048, 0)
	inconsistent.D = big.NewInt(5)
	short := ed25519.PrivateKey(make([]byte, 32))
	generate := func(s piv.Slot, alg piv.Algorithm, o *piv.KeyOptions) error {
		_, err := a.Generate(t.Context(), s, alg, o)
		return err
	}
	for name, err := range map[string]error{
		"no slot":                       generate(0x9B, piv.P256, nil),
		"no algorithm":                  generate(0x9A, 0x2E, nil),
		"an algorithm of 9B":            generate(0x9A, piv.AES128, nil),
		"a PIN policy":                  generate(0x9A, piv.P256, &piv.KeyOptions{PIN: 6}),
		"a touch policy":                generate(0x9A, piv.P256, &piv.KeyOptions{Touch: 4}),
		"import, no slot":               a.Import(t.Context(), 0xF9, testkeys.Ed25519(), nil),
		"import, a policy":              a.Import(t.Context(), 0x9A, testkeys.Ed25519(), &piv.KeyOptions{PIN: 9}),
		"import of nothing":             a.Import(t.Context(), 0x9A, nil, nil),
		"import of a string":            a.Import(t.Context(), 0x9A, "key", nil),
		"import of P-521":               a.Import(t.Context(), 0x9A, p521, nil),
		"import of P-256 for ECDH":      a.Import(t.Context(), 0x9A, p256, nil),
		"import with exponent 3":        a.Import(t.Context(), 0x9A, &three, nil),
		"import of an inconsistent key": a.Import(t.Context(), 0x9A, &inconsistent, nil),
		"import of RSA of 4 bits":       a.Import(t.Context(), 0x9A, &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(15), E: 3}}, nil),
		"import of half an Ed25519":     a.Import(t.Context(), 0x9A, short, nil),
		"move to no slot":               a.MoveKey(t.Context(), 0x9A, 0x9B),
		"move from no slot":             a.MoveKey(t.Context(), 0, 0x9A),
		"move to the same slot":         a.MoveKey(t.Context(), 0x9A, 0x9A),
		"delete in no slot":             a.DeleteKey(t.Context(), 0),
		"no retries of the PIN":         a.SetRetries(t.Context(), 0, 3, noPIN(t)),
		"too many retries":              a.SetRetries(t.Context(), 3, 256, noPIN(t)),
		"no new management key":         a.SetManagementKey(t.Context(), piv.ManagementKey{}, 0),
		"touch of the key":              a.SetManagementKey(t.Context(), managementKey(t, piv.AES192, defaultManagementKey()), 4),
	} {
		assert.Error(t, err, name)
		assert.Regexp(t, "^piv: ", err, name)
	}
	assert.Zero(t, soft.Exchanges().Commands)
}

// What the firmware does not support is refused before the authentication and before
// the user is asked.
func TestUnsupportedByFirmware(t *testing.T) {
	ctx := t.Context()
	generate := func(s piv.Slot, alg piv.Algorithm, o *piv.KeyOptions) func(*piv.Admin) error {
		return func(a *piv.Admin) error { _, err := a.Generate(ctx, s, alg, o); return err }
	}
	set := func(alg piv.Algorithm, touch piv.TouchPolicy) func(*piv.Admin) error {
		return func(a *piv.Admin) error {
			return a.SetManagementKey(ctx, managementKey(t, alg, make([]byte, managementAlgorithms[alg])), touch)
		}
	}
	for _, test := range []struct {
		name string
		card *cardtest.Card
		use  func(*piv.Admin) error
		want string
	}{
		{"import with policies on another card", cardtest.PIV(), func(a *piv.Admin) error {
			return a.Import(ctx, 0x9A, testkeys.Ed25519(), &piv.KeyOptions{Touch: piv.TouchAlways})
		}, "need a YubiKey"},
		{"policies on another card", cardtest.PIV(), generate(0x9A, piv.P256, &piv.KeyOptions{PIN: piv.PINNever}), "need a YubiKey"},
		{"management key of another card", cardtest.PIV(), set(piv.TripleDES, 0), "not a YubiKey"},
		{"retries of another card", cardtest.PIV(), func(a *piv.Admin) error { return a.SetRetries(ctx, 3, 3, noPIN(t)) }, "not a YubiKey"},
		{"moving on another card", cardtest.PIV(), func(a *piv.Admin) error { return a.MoveKey(ctx, 0x9A, 0x9C) }, "not a YubiKey"},
		{"moving before 5.7", yubikey("5.4.3"), func(a *piv.Admin) error { return a.MoveKey(ctx, 0x9A, 0x9C) }, "moving a key needs firmware 5.7.0, the card has 5.4.3"},
		{"deleting before 5.7", yubikey("5.4.3"), func(a *piv.Admin) error { return a.DeleteKey(ctx, 0x9A) }, "deleting a key needs firmware 5.7.0"},
		{"Ed25519 before 5.7", yubikey("5.4.3"), generate(0x9A, piv.Ed25519, nil), "Ed25519 needs firmware 5.7.0"},
		{"import of X25519 before 5.7", yubikey("5.2.7"), func(a *piv.Admin) error { return a.Import(ctx, 0x9A, testkeys.X25519(), nil) }, "X25519 needs firmware 5.7.0"},
		{"RSA 4096 before 5.7", yubikey("4.3.5"), generate(0x9A, piv.RSA4096, nil), "RSA 4096 needs firmware 5.7.0"},
		{"weak RSA", yubikey("4.3.1"), generate(0x9A, piv.RSA2048, nil), "CVE-2017-15361"},
		{"weak RSA, the first", yubikey("4.2.0"), generate(0x9A, piv.RSA1024, nil), "weak"},
		{"P-384 before 4", yubikey("3.4.9"), generate(0x9A, piv.P384, nil), "P-384 needs firmware 4.0.0"},
		{"retired slots before 4", yubikey("3.4.9"), generate(piv.Retired(1), piv.P256, nil), "a retired slot needs firmware 4.0.0"},
		{"policies before 4", yubikey("3.4.9"), generate(0x9A, piv.P256, &piv.KeyOptions{Touch: piv.TouchAlways}), "a policy needs firmware 4.0.0"},
		{"cached touch before 4.3", yubikey("4.2.9"), generate(0x9A, piv.P256, &piv.KeyOptions{Touch: piv.TouchCached}), "a cached touch needs firmware 4.3.0"},
		{"AES before 5.4", yubikey("5.2.7"), set(piv.AES128, 0), "AES-128 needs firmware 5.4.0"},
		{"touch of the management key before 4", yubikey("3.4.9"), set(piv.TripleDES, piv.TouchAlways), "a touch policy needs firmware 4.0.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.use(adminOf(t, open(t, test.card), piv.TripleDES))
			assert.ErrorIs(t, err, errors.ErrUnsupported)
			assert.ErrorContains(t, err, test.want)
			assert.Zero(t, test.card.Writes())
			assert.Zero(t, test.card.Spent())
		})
	}
}

// Yubico's instructions are not sent to other cards.
func TestNoYubicoInstructionsToOtherCards(t *testing.T) {
	soft := cardtest.PIV()
	p := open(t, soft)
	var sent, selected []byte
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
		sent = append(sent, c.INS)
		switch c.INS {
		case 0xA4:
			selected = bytes.Clone(c.Data)
		case 0x87, 0x47:
			assert.Equal(t, fullAID[:9], selected, "PIV is selected after Yubico's applications")
		}
	}})
	a := adminOf(t, p, piv.TripleDES)
	_, err := a.Generate(ctx, piv.Authentication, piv.P256, nil)
	require.NoError(t, err)
	_, err = p.YubiKey(ctx)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	for _, ins := range sent {
		assert.Less(t, ins, byte(0xF0))
	}
	assert.NotContains(t, string(sent), "\xFD")

	// Import is tried.
	err = a.Import(ctx, 0x9A, testkeys.Ed25519(), nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.ErrorContains(t, err, "does not import keys")
	assert.Contains(t, string(sent), "\xFE")
}

// A malformed response to GENERATE is an error that says that the card has changed.
func TestMalformedGeneratedKey(t *testing.T) {
	point := make([]byte, 65)
	for name, answer := range map[string][]byte{
		"nothing":               {},
		"another template":      tlv(0x7F48, 1),
		"an empty template":     tlv(0x7F49),
		"a point off the curve": tlv(0x7F49, tlv(0x86, point...)...),
		"a template cut off":    {0x7F, 0x49, 0x09, 0x86},
		"an RSA key":            tlv(0x7F49, join(tlv(0x81, 1), tlv(0x82, 3))...),
		"an element cut off":    tlv(0x7F49, 0x86, 0x41, 4),
	} {
		t.Run(name, func(t *testing.T) {
			soft := replaceResponse{cardtest.PIV(), 0x47, success(answer)}
			_, err := adminOf(t, piv.New(card.New("test", soft)), piv.TripleDES).Generate(t.Context(), 0x9A, piv.P256, nil)
			assert.ErrorIs(t, err, card.ErrMalformed)
			var lost *piv.InterruptedError
			require.ErrorAs(t, err, &lost)
			assert.Equal(t, piv.Changed, lost.State)
		})
	}
}

// replaceResponse replaces the response to one instruction after the card has performed
// it.
type replaceResponse struct {
	*cardtest.Card
	ins      byte
	response []byte
}

func (r replaceResponse) Transmit(command []byte) ([]byte, error) {
	response, err := r.Card.Transmit(command)
	if command[1] == r.ins {
		return r.response, nil
	}
	return response, err
}

func TestMalformedPublicKey(t *testing.T) {
	n := testkeys.RSA(2048, 0).N.Bytes()
	even := append([]byte{}, n...)
	even[255] &^= 1
	for name, test := range map[string]struct {
		algorithm piv.Algorithm
		content   []byte
	}{
		"a shorter modulus":        {piv.RSA4096, join(tlv(0x81, n...), tlv(0x82, 1, 0, 1))},
		"an even modulus":          {piv.RSA2048, join(tlv(0x81, even...), tlv(0x82, 1, 0, 1))},
		"an even exponent":         {piv.RSA2048, join(tlv(0x81, n...), tlv(0x82, 1, 0, 0))},
		"an exponent of one":       {piv.RSA2048, join(tlv(0x81, n...), tlv(0x82, 1))},
		"an exponent of 32 bits":   {piv.RSA2048, join(tlv(0x81, n...), tlv(0x82, 0x80, 0, 0, 1))},
		"no exponent":              {piv.RSA2048, tlv(0x81, n...)},
		"another algorithm":        {0x2E, tlv(0x86, 4)},
		"a short Ed25519 key":      {piv.Ed25519, tlv(0x86, 1, 2)},
		"a short X25519 key":       {piv.X25519, tlv(0x86, 1, 2)},
		"a P-256 point for P-384":  {piv.P384, tlv(0x86, make([]byte, 65)...)},
		"truncated elements":       {piv.P256, []byte{0x86, 0x41}},
		"a compressed P-256 point": {piv.P256, tlv(0x86, append([]byte{2}, make([]byte, 32)...)...)},
	} {
		key, err := piv.DecodePublicKey(test.algorithm, test.content)
		assert.ErrorIs(t, err, card.ErrMalformed, name)
		assert.Nil(t, key, name)
	}
	key, err := piv.DecodePublicKey(piv.RSA2048, join(tlv(0x81, append([]byte{0}, n...)...), tlv(0x82, 1, 0, 1)))
	require.NoError(t, err)
	assert.True(t, testkeys.RSA(2048, 0).PublicKey.Equal(key), "with a leading zero")
}
