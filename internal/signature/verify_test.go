package signature_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/smartlogon/smartlogon/internal/signature"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
			assert.True(t, signature.Verify(test.key.Public(), digest[:], sig, test.opts))
			assert.False(t, signature.Verify(test.otherKey.Public(), digest[:], sig, test.opts), "other key")
			other := sha256.Sum256([]byte("other"))
			assert.False(t, signature.Verify(test.key.Public(), other[:], sig, test.opts), "other digest")
			assert.False(t, signature.Verify(test.key.Public(), digest[:], sig[1:], test.opts), "truncated")
		})
	}
	assert.False(t, signature.Verify("not a key", digest[:], nil, crypto.SHA256), "unsupported key type")
	pkcs1, err := testkeys.RSA(2048, 0).Sign(nil, digest[:], crypto.SHA256)
	require.NoError(t, err)
	assert.False(t, signature.Verify(testkeys.RSA(2048, 0).Public(), digest[:], pkcs1, pss), "PKCS #1 v1.5 verified as PSS")
}
