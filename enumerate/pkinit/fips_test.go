package pkinit_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFIPSOnly runs itself again in FIPS 140-only mode, which does not allow SHA-1.
func TestFIPSOnly(t *testing.T) {
	if !strings.Contains(os.Getenv("GODEBUG"), "fips140=only") {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, string(output))
		require.Contains(t, string(output), "--- PASS: TestFIPSOnly")
		return
	}
	key, chain := newUser(cardtest.RSA2048)
	_, err := pkinit.Login(t.Context(), key, chain, options("127.0.0.1:1"))
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.ErrorContains(t, err, "crypto/sha1")
	assert.Zero(t, key.uses.Load())
}
