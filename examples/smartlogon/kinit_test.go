package main

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKinit(t *testing.T) {
	t.Setenv("TEST_PIN", cardtest.PIN)
	authority := softkdc.NewAuthority(nil)
	k := &softkdc.KDC{
		Realm:    "EXAMPLE.COM",
		Identity: authority.Issue("EXAMPLE.COM", nil),
		Users:    map[string]string{"alice": "alice"},
	}
	s, err := softkdc.Start(k)
	require.NoError(t, err)
	defer s.Close()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate()})
	require.NoError(t, os.WriteFile(roots, text, 0o600))
	cache := filepath.Join(t.TempDir(), "cc")
	args := []string{"kinit", "-kdc", s.Address, "-roots", roots, "-c", cache, "-pin-env", "TEST_PIN"}

	soft := cardtest.Logon("alice@example.com")
	readers := cardtest.NewReaders(soft)
	defer readers.Close()
	out, err := smartlogon(t, readers, args...)
	require.NoError(t, err)
	assert.Contains(t, out, "Ticket of alice@EXAMPLE.COM until ")
	assert.FileExists(t, cache)
	assert.False(t, soft.Verified(), "the card is logged out")
	out, err = smartlogon(t, readers, append(args, "-json")...)
	require.NoError(t, err)
	tickets := decodeLines[struct{ Client, End, Cache string }](t, out)
	require.Len(t, tickets, 1)
	assert.Equal(t, "alice@EXAMPLE.COM", tickets[0].Client)
	assert.Equal(t, cache, tickets[0].Cache)
	assert.Zero(t, soft.Spent())

	bob := cardtest.NewReaders(cardtest.Logon("bob@example.com"))
	defer bob.Close()
	_, err = smartlogon(t, bob, args...)
	assert.ErrorIs(t, err, &pkinit.Error{Code: pkinit.CodePrincipalUnknown})
	assert.NotEmpty(t, card.Hint(err))
	_, err = smartlogon(t, bob, "kinit", "-roots", filepath.Join(t.TempDir(), "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(roots, []byte("no certificate"), 0o600))
	_, err = smartlogon(t, bob, args...)
	assert.ErrorContains(t, err, "no certificate in")
}
