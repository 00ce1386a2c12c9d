//go:build linux

package interop_test

import (
	"context"
	"crypto"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWatchContinuesAfterRestart kills and restarts pcscd during a watch.
func TestWatchContinuesAfterRestart(t *testing.T) {
	interop.Require(t, pcscd)
	insert(t, cardtest.Logon(who))
	s := pcsc.Socket(pcscd.Socket, nil)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	find := &enumerate.Finder{Service: s}
	added, removed, noService := 0, 0, false
	for change, err := range find.Watch(ctx) {
		switch {
		case err != nil:
			assert.ErrorIs(t, err, card.ErrNoService)
			if noService {
				continue
			}
			noService = true
			require.NoError(t, pcscd.Start())
		case change.Gone:
			removed++
		default:
			assert.Equal(t, []string{who}, change.Credential.Names.UPNs)
			if added++; added == 1 {
				require.NoError(t, pcscd.Stop())
			} else {
				cancel() // listed again
			}
		}
	}
	assert.Equal(t, 2, added)
	assert.Equal(t, 1, removed)
	assert.True(t, noService, "the watch yields ErrNoService")
}

// TestServiceEndsDuringSignature kills pcscd between VERIFY and the signature.
func TestServiceEndsDuringSignature(t *testing.T) {
	interop.Require(t, pcscd)
	soft := cardtest.Logon(who)
	insert(t, soft)
	s := pcsc.Socket(pcscd.Socket, nil)
	defer s.Close()
	find := &enumerate.Finder{Service: s}
	credentials, err := find.Offered(t.Context())
	require.NoError(t, err)
	killed := false
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
		if c.INS == 0x20 && !killed { // before the command that signs
			killed = true
			assert.NoError(t, pcscd.Stop())
		}
	}})
	key, err := credentials[0].Unlock(ctx, card.FixedPIN(cardtest.PIN))
	if err == nil {
		_, err = key.Sign(nil, make([]byte, 32), crypto.SHA256)
		assert.NoError(t, key.Close())
	}
	assert.ErrorIs(t, err, card.ErrNoService)
	assert.True(t, killed)
	require.NoError(t, pcscd.Start())
	waitForCard(t, true)

	credentials, err = find.Offered(t.Context())
	require.NoError(t, err, "the next call works")
	key, err = credentials[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	_, err = key.Sign(nil, make([]byte, 32), crypto.SHA256)
	assert.NoError(t, err)
	assert.NoError(t, key.Close())
	assert.Zero(t, soft.Spent())
}

// TestNoSignatureAfterClose checks that another program cannot use the key without
// the PIN after Close. While the key is open it could.
func TestNoSignatureAfterClose(t *testing.T) {
	interop.Require(t, pcscd)
	tool := interop.Program(t, "yubico-piv-tool", "yubico-piv-tool", "--version")
	soft := cardtest.YubiKey("5.4.3")
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{who}})
	insert(t, soft.Put("9A", key, der))
	y := yubico{t, tool, pcscd.Socket, t.TempDir()}
	y.write(y.file("certificate"), der)
	sign := []string{"-r", first, "-s", "9a", "-a", "test-signature", "-i", y.file("certificate")}

	s := pcsc.Socket(pcscd.Socket, nil)
	defer s.Close()
	find := &enumerate.Finder{Service: s}
	credentials, err := find.Offered(t.Context())
	require.NoError(t, err)
	opened, err := credentials[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, opened.Close())
	out, err := runOn(t, pcscd.Socket, tool, sign...)
	assert.Error(t, err, out)
	assert.NotContains(t, out, "Successful")
	assert.Zero(t, soft.Spent())
}
