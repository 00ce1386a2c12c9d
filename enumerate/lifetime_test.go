package enumerate_test

import (
	"context"
	"crypto"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onPoweredCards runs a test on a card of each kind that keeps its power when no
// program is connected, so that a PIN that was left verified shows.
func onPoweredCards(t *testing.T, test func(t *testing.T, f *enumerate.Finder, soft *cardtest.Card)) {
	for name, soft := range map[string]*cardtest.Card{
		"PIV 9A": quickCard(),
		"PIV 9C": put(cardtest.PIV(), "9C", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0)}),
		"GIDS":   put(cardtest.GIDS(), "kxc00", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0)}),
		"toy":    toyCard("0001", "alice@example.com"),
	} {
		t.Run(name, func(t *testing.T) {
			readers := cardtest.NewReaders(soft)
			readers.PowerDown(time.Hour)
			f := newToyFinder(readers.Service())
			test(t, f, soft)
			assert.False(t, soft.Verified())
			assert.Zero(t, soft.Spent())
			require.NoError(t, f.Service.Close())
			require.NoError(t, readers.Close())
			assert.False(t, soft.Verified())
		})
	}
}

func trySign(key *enumerate.Key) error {
	_, err := key.Sign(nil, make([]byte, 32), crypto.SHA256)
	return err
}

func TestContextEndsAfterUnlock(t *testing.T) {
	onPoweredCards(t, func(t *testing.T, f *enumerate.Finder, soft *cardtest.Card) {
		ctx, cancel := context.WithCancel(t.Context())
		key, err := only(t, f).Unlock(ctx, card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		require.NoError(t, trySign(key))
		cancel()
		require.NoError(t, trySign(key))
		assert.ErrorIs(t, trySign(key.WithContext(ctx)), context.Canceled)
		require.NoError(t, key.Close())
	})
}

func TestContextEndsDuringPrompt(t *testing.T) {
	onPoweredCards(t, func(t *testing.T, f *enumerate.Finder, soft *cardtest.Card) {
		ctx, cancel := context.WithCancel(t.Context())
		key, err := only(t, f).Unlock(ctx, func(context.Context, card.PINRequest) (card.PIN, error) {
			cancel()
			return card.NewPIN([]byte(cardtest.PIN)), nil
		})
		if err == nil { // the PIN is asked for before each use, which ctx does not bound
			require.NoError(t, trySign(key))
			require.NoError(t, key.Close())
			return
		}
		assert.ErrorIs(t, err, context.Canceled)
	})
}

// TestCancelUnlockAtEachCommand ends the context of Unlock at each of its commands.
func TestCancelUnlockAtEachCommand(t *testing.T) {
	onPoweredCards(t, func(t *testing.T, f *enumerate.Finder, soft *cardtest.Card) {
		c := only(t, f)
		for n := 1; ; n++ {
			ctx, cancel := context.WithCancel(t.Context())
			var commands atomic.Int32 // a command may end after Unlock
			key, err := c.Unlock(card.WithTrace(ctx, &card.Trace{Command: func(string, card.Command, []byte, time.Duration) {
				if int(commands.Add(1)) == n {
					cancel()
				}
			}}), card.FixedPIN(cardtest.PIN))
			if err == nil {
				require.NoError(t, key.Close())
			} else {
				assert.ErrorIs(t, err, context.Canceled)
			}
			// The next transaction waits for a command that was left behind.
			_, err = c.PIN().Status(t.Context())
			require.NoError(t, err)
			assert.False(t, soft.Verified(), "canceled at command %d", n)
			cancel()
			if int(commands.Load()) < n {
				assert.Greater(t, n, 3)
				return
			}
		}
	})
}

func TestPanicInPINFunc(t *testing.T) {
	onPoweredCards(t, func(t *testing.T, f *enumerate.Finder, soft *cardtest.Card) {
		c := only(t, f)
		assert.Panics(t, func() {
			key, err := c.Unlock(t.Context(), func(context.Context, card.PINRequest) (card.PIN, error) { panic("in the PINFunc") })
			require.NoError(t, err)
			defer key.Close()
			trySign(key) // with a PIN before each use
		})
		key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		require.NoError(t, trySign(key))
		require.NoError(t, key.Close())
	})
}

func TestCloseOrder(t *testing.T) {
	for name, order := range map[string]string{"keys first": "abs", "other key first": "bas", "service first": "sab", "service between": "asb"} {
		t.Run(name, func(t *testing.T) {
			onPoweredCards(t, func(t *testing.T, f *enumerate.Finder, soft *cardtest.Card) {
				c := only(t, f)
				keys := map[rune]*enumerate.Key{}
				for _, name := range "ab" {
					key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
					require.NoError(t, err)
					require.NoError(t, trySign(key))
					keys[name] = key
				}
				for _, name := range order {
					if name == 's' {
						require.NoError(t, f.Service.Close())
						continue
					}
					require.NoError(t, keys[name].Close())
					assert.ErrorIs(t, trySign(keys[name]), enumerate.ErrKeyClosed)
				}
			})
		})
	}
}

// TestPanicInLoop panics in the body of a loop. Package synctest fails if a goroutine
// of the bubble is left.
func TestPanicInLoop(t *testing.T) {
	for name, loop := range map[string]func(context.Context, *enumerate.Finder){
		"All": func(ctx context.Context, f *enumerate.Finder) {
			for range f.All(ctx) {
				panic("in the loop")
			}
		},
		"Watch": func(ctx context.Context, f *enumerate.Finder) {
			for range f.Watch(ctx) {
				panic("in the loop")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				readers := cardtest.NewReaders(quickCard(), quickCard(), unsupportedCard())
				f := newFinder(readers.Service())
				assert.Panics(t, func() { loop(t.Context(), f) })
				require.NoError(t, f.Service.Close())
				require.NoError(t, readers.Close())
			})
		})
	}
}

func TestFinderWithoutService(t *testing.T) {
	const want = "enumerate: Finder without a Service"
	var f enumerate.Finder
	_, err := f.Offered(t.Context())
	assert.EqualError(t, err, want)
	_, errs := all(t, &f)
	require.Len(t, errs, 1)
	assert.EqualError(t, errs[0], want)
	n := 0
	for event, err := range f.Watch(t.Context()) {
		n++
		assert.Zero(t, event)
		assert.EqualError(t, err, want)
	}
	assert.Equal(t, 1, n)
}

func TestNilPINFunc(t *testing.T) {
	onPoweredCards(t, func(t *testing.T, f *enumerate.Finder, soft *cardtest.Card) {
		c := only(t, f)
		key, err := c.Unlock(t.Context(), nil)
		if err == nil { // the key may need no PIN
			err = trySign(key)
			require.NoError(t, key.Close())
		}
		assert.True(t, errors.Is(err, card.StatusNotPermitted) || errors.Is(err, card.ErrPINRequired), "%v", err)
		assert.ErrorIs(t, c.PIN().Change(t.Context(), nil), card.ErrPINRequired)
		err = c.PIN().Unblock(t.Context(), nil)
		assert.True(t, errors.Is(err, errors.ErrUnsupported) || errors.Is(err, card.ErrPINRequired), "%v", err)
		for _, answer := range []func(context.Context, []byte) ([]byte, error){nil, func(_ context.Context, challenge []byte) ([]byte, error) { return challenge, nil }} {
			assert.Error(t, c.PIN().UnblockByAdministrator(t.Context(), answer, nil))
		}
	})
}
