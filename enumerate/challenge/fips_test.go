package challenge_test

import (
	"context"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const fipsDir = "SMARTLOGON_TEST_FIPS"

// TestFIPSOnly runs tests of this package in a process in which algorithms that
// FIPS 140-3 does not approve are errors or panics.
func TestFIPSOnly(t *testing.T) {
	dir := t.TempDir()
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(1024, 0)
	c := at("sign-in")
	text, err := c.MarshalText()
	require.NoError(t, err)
	for name, content := range map[string][]byte{
		"root": root.cert.Raw, "challenge": text, "answer": respond(t, key, root.issue(t, key.Public()), c),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	cmd := exec.Command(os.Args[0], "-test.run=^(TestVerifyAcceptsEveryKindOfKey|TestVerifyAcceptsOddLeaves|TestCheckCertificate|TestNameConstraintsInAnotherPool|TestWeakKeyInFIPSOnly)$")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", fipsDir+"="+dir)
	output, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", output)
}

// An RSA key of 1024 bits is refused in this mode, also by a Verifier that allows
// it.
func TestWeakKeyInFIPSOnly(t *testing.T) {
	dir := os.Getenv(fipsDir)
	if dir == "" {
		t.Skip("TestFIPSOnly runs this test")
	}
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return content
	}
	root, err := x509.ParseCertificate(read("root"))
	require.NoError(t, err)
	var c challenge.Challenge
	require.NoError(t, c.UnmarshalText(read("challenge")))
	v := verifier(&authority{cert: root})
	_, err = v.Verify(t.Context(), c, read("answer"))
	assert.Equal(t, challenge.UnfitKey, reason(t, err))
	v.AllowWeakKeys = true
	v.Accept = func(context.Context, upn.Name, []*x509.Certificate) error { return nil }
	_, err = v.Verify(t.Context(), c, read("answer"))
	assert.Equal(t, challenge.WrongSignature, reason(t, err))
}
