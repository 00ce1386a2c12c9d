package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

// start starts a KDC for alice. It returns its address and the file of its authority.
// edit, if not nil, changes its replies.
func start(t *testing.T, edit func(*softkdc.Reply)) (address, roots string) {
	t.Helper()
	authority := softkdc.NewAuthority(nil)
	k := &softkdc.KDC{
		Realm:    "EXAMPLE.COM",
		Identity: authority.Issue("EXAMPLE.COM", nil),
		Users:    map[string]string{"alice": "alice", "ana@example.com": "alice"},
		Edit:     edit,
	}
	s, err := softkdc.Start(k)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		assert.Empty(t, k.Faults())
	})
	roots = filepath.Join(t.TempDir(), "roots.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate()})
	require.NoError(t, os.WriteFile(roots, text, 0o600))
	return s.Address, roots
}

// kinit runs the program on a card with a pipe in place of a terminal.
func kinit(t *testing.T, soft *cardtest.Card, args ...string) (string, error) {
	t.Helper()
	stdin, write, err := os.Pipe()
	require.NoError(t, err)
	defer stdin.Close()
	defer write.Close()
	var out bytes.Buffer
	err = run(t.Context(), args, cardtest.NewService(soft), stdin, &out)
	return out.String(), err
}

func TestTicket(t *testing.T) {
	t.Setenv("TEST_PIN", cardtest.PIN)
	address, roots := start(t, nil)
	for _, more := range [][]string{nil, {"-hint", "ana@example.com"}, {"-realm", "EXAMPLE.COM", "-reader", "Software Reader 00"}} {
		soft := cardtest.Logon("alice@example.com")
		cache := filepath.Join(t.TempDir(), "cc")
		out, err := kinit(t, soft, append([]string{"-kdc", address, "-roots", roots, "-c", cache, "-pin-env", "TEST_PIN"}, more...)...)
		require.NoError(t, err)
		assert.Contains(t, out, "Ticket of alice@EXAMPLE.COM until ")
		assert.FileExists(t, cache)
		assert.Equal(t, 1, soft.PINs(), "PINs")
		assert.Equal(t, 1, soft.KeyUses(), "signatures")
		assert.Zero(t, soft.Spent())
		assert.False(t, soft.Verified(), "the card is logged out")
	}
}

func TestList(t *testing.T) {
	_, roots := start(t, nil)
	soft := cardtest.Logon("alice@example.com")
	out, err := kinit(t, soft, "-roots", roots, "-list")
	require.NoError(t, err)
	assert.Equal(t, "alice@example.com in \"Software Reader 00\", container 9A\n", out)
	assert.Zero(t, soft.PINs())
}

func TestNoTicket(t *testing.T) {
	t.Setenv("TEST_PIN", cardtest.PIN)
	address, roots := start(t, nil)
	cache := filepath.Join(t.TempDir(), "cc")
	args := []string{"-kdc", address, "-roots", roots, "-c", cache, "-pin-env", "TEST_PIN"}
	soft := cardtest.Logon("bob@example.com")
	_, err := kinit(t, soft, args...)
	assert.ErrorIs(t, err, &pkinit.Error{Code: pkinit.CodePrincipalUnknown})
	assert.NotEmpty(t, card.Hint(err))
	assert.False(t, soft.Verified(), "the card is logged out")
	_, err = kinit(t, soft, append(args, "-reader", "another")...)
	assert.ErrorContains(t, err, "no certificate to sign in with")

	t.Setenv("TEST_PIN", "999999")
	_, err = kinit(t, soft, args...)
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.NoFileExists(t, cache)

	_, err = kinit(t, soft, "-roots", filepath.Join(t.TempDir(), "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	var usage *cli.UsageError
	_, err = kinit(t, soft, "-no-such-flag")
	assert.True(t, errors.As(err, &usage))
}

// TestRogueKDC checks that a refused reply leaves the old ticket in the cache.
func TestRogueKDC(t *testing.T) {
	t.Setenv("TEST_PIN", cardtest.PIN)
	for name, edit := range map[string]func(*softkdc.Reply){
		"nonce":             func(r *softkdc.Reply) { r.Nonce++ },
		"another user":      func(r *softkdc.Reply) { r.User = "bob" },
		"corrupt signature": func(r *softkdc.Reply) { r.Signing.Corrupt = true },
	} {
		address, roots := start(t, edit)
		soft := cardtest.Logon("alice@example.com")
		dir := t.TempDir()
		cache := filepath.Join(dir, "cc")
		require.NoError(t, os.WriteFile(cache, []byte("old ticket"), 0o600))
		_, err := kinit(t, soft, "-kdc", address, "-roots", roots, "-c", cache, "-pin-env", "TEST_PIN")
		assert.Error(t, err, name)
		text, err := os.ReadFile(cache)
		require.NoError(t, err)
		assert.Equal(t, "old ticket", string(text), name)
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, files, 1, "%s: no other file", name)
		assert.False(t, soft.Verified(), "the card is logged out")
	}
}
