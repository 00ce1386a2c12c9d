package enumerate_test

import (
	"context"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// selectedGIDS returns a context that counts the SELECTs of GIDS.
func selectedGIDS(ctx context.Context, n *int) context.Context {
	return card.WithTrace(ctx, &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
		if c.INS == 0xA4 && len(c.Data) == 9 && c.Data[4] == 0x97 {
			*n++
		}
	}})
}

// Cards have many statuses for an application that they do not have. None is an error
// of a list, and it is asked for once.
func TestStatusesOfMissingApplication(t *testing.T) {
	for _, status := range []uint16{0x6A82, 0x6999, 0x6D00, 0x6E00, 0x6A86, 0x6B00} {
		readers := cardtest.NewReaders(cardtest.Logon("alice@example.com"))
		f := finderOn(t, readers, nil)
		n := 0
		for range 2 {
			armed := false
			readers.OnCommand(func(name string, command []byte) {
				if command[1] == 0xA4 && len(command) > 9 && command[9] == 0x97 && !armed {
					armed = true
					readers.Fault(name, 1, cardtest.Fault{What: cardtest.WrongStatus, Status: status})
				}
			})
			for c, err := range f.All(selectedGIDS(t.Context(), &n)) {
				require.NoError(t, err, "%04X", status)
				assert.Equal(t, enumerate.PIV, c.Application)
			}
		}
		assert.Equal(t, 1, n, "%04X", status)
		require.NoError(t, readers.Close())
	}
}

// While a key is open, a list does not look for applications that the card may not
// have: on a YubiKey 4, a NEO and a PIVKey a SELECT that fails forgets the PIN.
func TestListWhileKeyIsOpen(t *testing.T) {
	readers := cardtest.NewReaders(put(cardtest.PIV(), "9A", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{"alice@example.com"}}))
	defer readers.Close()
	f := finderOn(t, readers, nil)
	var c *enumerate.Credential
	for got, err := range f.All(t.Context()) {
		require.NoError(t, err)
		c = got
		break
	}
	prompts := 0
	key, err := c.Unlock(t.Context(), func(context.Context, card.PINRequest) (card.PIN, error) {
		prompts++
		return card.NewPIN([]byte(cardtest.PIN)), nil
	})
	require.NoError(t, err)
	n := 0
	list := func() {
		for c, err := range f.All(selectedGIDS(t.Context(), &n)) {
			require.NoError(t, err)
			assert.Equal(t, "9A", c.Container)
		}
	}
	n = 0
	list()
	assert.Zero(t, n)
	require.NoError(t, trySign(key))
	assert.Equal(t, 1, prompts)
	require.NoError(t, key.Close())
	n = 0
	list()
	list()
	assert.LessOrEqual(t, n, 1, "looked for once, when no key is open")
}
