package testkeys_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSigner(t *testing.T) {
	signer, key := testkeys.Signer(2048, 1), testkeys.RSA(2048, 1)
	assert.True(t, key.PublicKey.Equal(signer.Public()))
	for _, text := range []string{"a", "b", "a"} {
		digest := sha256.Sum256([]byte(text))
		got, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
		require.NoError(t, err)
		want, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		require.NoError(t, err)
		assert.Equal(t, want, got)
		clear(got) // does not change the signature that is kept

		other, err := testkeys.Signer(2048, 2).Sign(rand.Reader, digest[:], crypto.SHA256)
		require.NoError(t, err)
		assert.NoError(t, rsa.VerifyPKCS1v15(&testkeys.RSA(2048, 2).PublicKey, crypto.SHA256, digest[:], other))

		pss, err := signer.Sign(rand.Reader, digest[:], &rsa.PSSOptions{Hash: crypto.SHA256})
		require.NoError(t, err)
		assert.NoError(t, rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest[:], pss, nil))
	}
	_, err := signer.Sign(rand.Reader, make([]byte, 5), crypto.SHA256)
	assert.Error(t, err)
}
