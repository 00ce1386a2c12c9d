package rsapad_test

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/rsapad"
)

// TestFIPSOnly runs itself again in FIPS 140-only mode, in which SHA-1 panics.
func TestFIPSOnly(t *testing.T) {
	if !strings.Contains(os.Getenv("GODEBUG"), "fips140=only") {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, string(output))
		require.Contains(t, string(output), "--- PASS: TestFIPSOnly/OAEP")
		return
	}
	public := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}
	t.Run("PSS", func(t *testing.T) {
		block, err := rsapad.Pad(nil, public, make([]byte, 20), &rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA1})
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		assert.Nil(t, block)
		_, err = rsapad.Pad(nil, public, make([]byte, 32), &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256})
		assert.NoError(t, err)
	})
	t.Run("PKCS #1 v1.5", func(t *testing.T) {
		_, err := rsapad.Pad(nil, public, make([]byte, 20), crypto.SHA1)
		assert.NoError(t, err, "the digest is not computed here")
	})
	t.Run("OAEP", func(t *testing.T) {
		for _, opts := range []*rsa.OAEPOptions{{Hash: crypto.SHA1}, {Hash: crypto.SHA256, MGFHash: crypto.SHA1}} {
			unpad, err := rsapad.Unpadding(nil, opts)
			require.NoError(t, err)
			_, err = unpad(make([]byte, 256))
			assert.ErrorIs(t, err, errors.ErrUnsupported)
		}
		unpad, err := rsapad.Unpadding(nil, &rsa.OAEPOptions{Hash: crypto.SHA256})
		require.NoError(t, err)
		_, err = unpad(make([]byte, 256))
		assert.ErrorIs(t, err, rsa.ErrDecryption)
	})
}
