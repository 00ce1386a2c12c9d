package signature_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"

	"github.com/smartlogon/smartlogon/internal/signature"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// crypto/rsa does not verify with a short key, as with SHA-1 in FIPS 140-only mode:
// that is no mismatch.
func TestVerifyUnsupported(t *testing.T) {
	short := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 511, 1), E: 65537}
	err := signature.Verify(short, make([]byte, 32), make([]byte, 64), crypto.SHA256)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.NotErrorIs(t, err, signature.ErrMismatch)
}

func TestVerify(t *testing.T) {
	digest := sha256.Sum256([]byte("text"))
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	for _, test := range []struct {
		name          string
		key, otherKey crypto.Signer
		opts          crypto.SignerOpts
	}{
		{"PKCS #1 v1.5", testkeys.RSA(2048, 0), testkeys.RSA(2048, 1), crypto.SHA256},
		{"PSS", testkeys.RSA(2048, 0), testkeys.RSA(2048, 1), pss},
		{"ECDSA", testkeys.ECDSA(elliptic.P256(), 0), testkeys.ECDSA(elliptic.P256(), 1), crypto.SHA256},
		{"Ed25519", testkeys.Ed25519(), testkeys.ECDSA(elliptic.P256(), 1), crypto.Hash(0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			sig, err := test.key.Sign(rand.Reader, digest[:], test.opts)
			require.NoError(t, err)
			assert.NoError(t, signature.Verify(test.key.Public(), digest[:], sig, test.opts))
			assert.Equal(t, signature.ErrMismatch, signature.Verify(test.otherKey.Public(), digest[:], sig, test.opts), "other key")
			other := sha256.Sum256([]byte("other"))
			assert.Equal(t, signature.ErrMismatch, signature.Verify(test.key.Public(), other[:], sig, test.opts), "other digest")
			assert.Equal(t, signature.ErrMismatch, signature.Verify(test.key.Public(), digest[:], sig[1:], test.opts), "truncated")
		})
	}
	assert.Equal(t, signature.ErrMismatch, signature.Verify("not a key", digest[:], nil, crypto.SHA256), "unsupported key type")
	pkcs1, err := testkeys.RSA(2048, 0).Sign(nil, digest[:], crypto.SHA256)
	require.NoError(t, err)
	assert.Equal(t, signature.ErrMismatch, signature.Verify(testkeys.RSA(2048, 0).Public(), digest[:], pkcs1, pss), "PKCS #1 v1.5 verified as PSS")
}

func TestIsWellFormed(t *testing.T) {
	digest := sha256.Sum256([]byte("text"))
	for _, test := range []struct {
		name string
		key  crypto.Signer
		opts crypto.SignerOpts
	}{
		{"RSA", testkeys.RSA(2048, 0), crypto.SHA256},
		{"ECDSA", testkeys.ECDSA(elliptic.P256(), 0), crypto.SHA256},
		{"Ed25519", testkeys.Ed25519(), crypto.Hash(0)},
	} {
		sig, err := test.key.Sign(rand.Reader, digest[:], test.opts)
		require.NoError(t, err)
		assert.True(t, signature.IsWellFormed(test.key.Public(), sig), test.name)
		for _, other := range [][]byte{nil, {0x30, 0x00}, sig[1:], append([]byte{0}, sig...), append(sig, 0)} {
			assert.False(t, signature.IsWellFormed(test.key.Public(), other), "%s: %X", test.name, other)
		}
	}
	assert.False(t, signature.IsWellFormed("not a key", nil))
}

func TestIsOfFixedLength(t *testing.T) {
	key := testkeys.Ed25519()
	message := []byte("a message of more than sixteen bytes")
	first := ed25519.Sign(key, message[:16])
	assert.True(t, signature.IsOfFixedLength(key.Public(), message, first, 16))
	assert.False(t, signature.IsOfFixedLength(key.Public(), message, first, 15))
	assert.False(t, signature.IsOfFixedLength(key.Public(), message[:16], first, 16), "the message has that length")
	padded := ed25519.Sign(key, append([]byte("short"), make([]byte, 11)...))
	assert.True(t, signature.IsOfFixedLength(key.Public(), []byte("short"), padded, 16))
	assert.False(t, signature.IsOfFixedLength(testkeys.RSA(2048, 0).Public(), message, first, 16))
}

// FuzzIsWellFormed checks that every signature that is valid is well-formed.
func FuzzIsWellFormed(f *testing.F) {
	digest := sha256.Sum256([]byte("text"))
	keys := []crypto.Signer{testkeys.RSA(1024, 0), testkeys.ECDSA(elliptic.P256(), 0), testkeys.Ed25519()}
	options := []crypto.SignerOpts{crypto.SHA256, crypto.SHA256, crypto.Hash(0)}
	for i, key := range keys {
		sig, err := key.Sign(rand.Reader, digest[:], options[i])
		require.NoError(f, err)
		f.Add(sig)
	}
	f.Add([]byte{0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01})
	f.Fuzz(func(t *testing.T, sig []byte) {
		for i, key := range keys {
			if signature.Verify(key.Public(), digest[:], sig, options[i]) == nil && !signature.IsWellFormed(key.Public(), sig) {
				t.Fatalf("%X is valid for %T", sig, key)
			}
		}
	})
}
