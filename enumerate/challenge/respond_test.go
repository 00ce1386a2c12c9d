package challenge_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"io"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A recorder records what it signs. A test may change the signature.
type recorder struct {
	crypto.Signer
	signed [][]byte
	opts   crypto.SignerOpts
	spoil  func([]byte) []byte
	err    error
}

func (r *recorder) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	r.signed = append(r.signed, bytes.Clone(digest))
	r.opts = opts
	if r.err != nil {
		return nil, r.err
	}
	sig, err := r.Signer.Sign(rand, digest, opts)
	if r.spoil != nil {
		sig = r.spoil(sig)
	}
	return sig, err
}

// A messageRecorder signs messages, as cards with Ed25519 do.
type messageRecorder struct {
	recorder
	messages [][]byte
}

func (r *messageRecorder) SignMessage(rand io.Reader, msg []byte, opts crypto.SignerOpts) ([]byte, error) {
	r.messages = append(r.messages, bytes.Clone(msg))
	return r.Signer.Sign(rand, msg, opts)
}

func TestRespondUsesTheKeyOnce(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	for _, kind := range keyKinds() {
		t.Run(kind.name, func(t *testing.T) {
			key := &recorder{Signer: kind.key}
			cert := ca.issue(t, kind.key.Public())
			_, err := challenge.Respond(key, cert, challenge.New("sign-in", origin), origin)
			require.NoError(t, err)
			assert.Len(t, key.signed, 1)
		})
	}
}

func TestPSS(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := &recorder{Signer: testkeys.RSA(2048, 0)}
	cert := ca.issue(t, key.Public())

	_, err := challenge.Respond(key, cert, challenge.New("sign-in", origin), origin)
	require.NoError(t, err)
	assert.Equal(t, crypto.SHA256, key.opts)

	_, err = challenge.Respond(challenge.PSS(key), cert, challenge.New("sign-in", origin), origin)
	require.NoError(t, err)
	require.IsType(t, &rsa.PSSOptions{}, key.opts)
	assert.Equal(t, crypto.SHA256, key.opts.HashFunc())

	ec := testkeys.ECDSA(elliptic.P256(), 0)
	_, err = challenge.Respond(challenge.PSS(ec), ca.issue(t, ec.Public()), challenge.New("sign-in", origin), origin)
	assert.NoError(t, err, "other keys sign as ever")
}

func TestEd25519SignsTheMessage(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	cert := ca.issue(t, testkeys.Ed25519().Public())
	c := challenge.New("sign-in", origin)

	plain := &recorder{Signer: testkeys.Ed25519()}
	_, err := challenge.Respond(plain, cert, c, origin)
	require.NoError(t, err)
	require.Len(t, plain.signed, 1)

	card := &messageRecorder{recorder: recorder{Signer: testkeys.Ed25519()}}
	_, err = challenge.Respond(card, cert, c, origin)
	require.NoError(t, err)
	assert.Empty(t, card.signed)
	assert.Equal(t, plain.signed, card.messages)
}

// The texts of the server are hashed before they are signed.
func TestServerCannotChooseTheSignedBytes(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := &recorder{Signer: testkeys.Ed25519()}
	cert := ca.issue(t, key.Public())
	for _, purpose := range []string{"sign-in", "smartlogon challenge answer", "0\x7F1"} {
		_, err := challenge.Respond(key, cert, challenge.New(purpose, origin), origin)
		if err != nil {
			continue
		}
		m := key.signed[len(key.signed)-1]
		assert.Len(t, m, 60)
		assert.True(t, bytes.HasPrefix(m, []byte("smartlogon challenge answer\x00")))
		assert.NotContains(t, string(m[28:]), purpose)
	}
	assert.Len(t, key.signed, 2)
}

func TestRespondRefuses(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	good := testkeys.RSA(2048, 0)
	cert := ca.issue(t, good.Public())
	p224 := p224Key(t)
	lost := errors.New("card was removed")
	flip := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	other := func([]byte) []byte {
		digest := sha256.Sum256([]byte("something else"))
		sig, _ := good.Sign(nil, digest[:], crypto.SHA256)
		return sig
	}

	tests := []struct {
		name     string
		key      *recorder
		cert     []byte
		edit     func(*challenge.Challenge)
		audience string
		is       error
		text     string
		uses     int // of the key
	}{
		{name: "relayed challenge", audience: "https://evil.example", is: challenge.ErrAudience,
			text: `challenge: challenge is for another audience: "https://example.com", not "https://evil.example"`},
		{name: "audience in another case", audience: "https://Example.com", is: challenge.ErrAudience,
			text: `challenge: challenge is for another audience: "https://example.com", not "https://Example.com"`},
		{name: "empty audience", audience: "", is: challenge.ErrAudience,
			text: `challenge: challenge is for another audience: "https://example.com", not ""`},
		{name: "zero challenge", edit: func(c *challenge.Challenge) { *c = challenge.Challenge{} }, audience: "",
			text: "challenge: purpose is empty"},
		{name: "exporter required and not set", edit: func(c *challenge.Challenge) { c.Bound = true }, audience: origin,
			text: "challenge: challenge requires a TLS connection, and Exporter is not set"},
		{name: "key of another certificate", key: &recorder{Signer: testkeys.RSA(2048, 1)}, audience: origin, is: challenge.ErrMismatch,
			text: "challenge: key does not match the public key of the certificate"},
		{name: "key of another kind", key: &recorder{Signer: testkeys.Ed25519()}, audience: origin, is: challenge.ErrMismatch,
			text: "challenge: key does not match the public key of the certificate"},
		{name: "card that signs with another key", key: &recorder{Signer: mismatchedKey{good, testkeys.RSA(2048, 1)}}, audience: origin, is: challenge.ErrMismatch, uses: 1,
			text: "challenge: key does not match the public key of the certificate: it returned a signature of 256 bytes that does not verify"},
		{name: "card that returns a damaged signature", key: &recorder{Signer: good, spoil: flip}, audience: origin, is: challenge.ErrMismatch, uses: 1,
			text: "challenge: key does not match the public key of the certificate: it returned a signature of 256 bytes that does not verify"},
		{name: "card that signs something else", key: &recorder{Signer: good, spoil: other}, audience: origin, is: challenge.ErrMismatch, uses: 1,
			text: "challenge: key does not match the public key of the certificate: it returned a signature of 256 bytes that does not verify"},
		{name: "card that returns nothing", key: &recorder{Signer: good, spoil: func([]byte) []byte { return nil }}, audience: origin, is: challenge.ErrMismatch, uses: 1,
			text: "challenge: key does not match the public key of the certificate: it returned a signature of 0 bytes that does not verify"},
		{name: "card that was removed", key: &recorder{Signer: good, err: lost}, audience: origin, is: lost, uses: 1,
			text: "challenge: sign: card was removed"},
		{name: "P-224", key: &recorder{Signer: p224}, cert: ca.issue(t, p224.Public()), audience: origin,
			text: "challenge: key is none of RSA, ECDSA on P-256, P-384 or P-521, and Ed25519"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := tt.key
			if key == nil {
				key = &recorder{Signer: good}
			}
			der := tt.cert
			if der == nil {
				der = cert
			}
			c := challenge.New("sign-in", origin)
			if tt.edit != nil {
				tt.edit(&c)
			}
			answer, err := challenge.Respond(key, der, c, tt.audience)
			assert.EqualError(t, err, tt.text)
			if tt.is != nil {
				assert.ErrorIs(t, err, tt.is)
			}
			assert.Nil(t, answer)
			assert.Len(t, key.signed, tt.uses)
		})
	}
}

func TestRespondRefusesMalformedCertificates(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	cert := ca.issue(t, key.Public())
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	for name, der := range map[string][]byte{
		"nothing":       nil,
		"PEM":           inPEM,
		"cut short":     cert[:len(cert)-1],
		"data after it": append(bytes.Clone(cert), 0),
		"64 KiB":        make([]byte, 64<<10),
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := challenge.Respond(key, der, challenge.New("sign-in", origin), origin)
			assert.ErrorContains(t, err, "challenge: certificate is malformed: ")
			assert.Nil(t, answer)
		})
	}
}

// A mismatchedKey has one public key and signs with another, as a card does whose key
// was generated after the certificate was written.
type mismatchedKey struct{ shown, used crypto.Signer }

func (k mismatchedKey) Public() crypto.PublicKey { return k.shown.Public() }
func (k mismatchedKey) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.used.Sign(rand, digest, opts)
}
