package enumerate_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The key that all of these cards have.
var quickKey = cardtest.Key(cardtest.P256, 0).Public().(*ecdsa.PublicKey)

func signed(key *enumerate.Key) error {
	digest := make([]byte, 32)
	signature, err := key.Sign(nil, digest, crypto.SHA256)
	if err == nil && !ecdsa.VerifyASN1(quickKey, digest, signature) {
		return errors.New("WRONG signature")
	}
	return err
}

func TestOneCredentialIsUsedByManyGoroutines(t *testing.T) {
	soft := quickCard()
	c := only(t, finder(t, soft))
	shared, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for range 10 {
				key := shared
				if i%2 == 0 { // its own, closed while others go on
					var err error
					if key, err = c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN)); !assert.NoError(t, err) {
						return
					}
				}
				assert.NoError(t, signed(key))
				if key != shared {
					assert.NoError(t, key.Close())
				}
			}
		})
	}
	all.Wait()
	assert.True(t, soft.Verified(), "the last key is open")
	require.NoError(t, shared.Close())
	assert.False(t, soft.Verified())
	assert.Zero(t, soft.Spent())
}

func TestManyCardsAtOnce(t *testing.T) {
	var cards []*cardtest.Card
	for range 24 {
		cards = append(cards, quickCard())
	}
	f := finder(t, cards...)
	var all sync.WaitGroup
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		all.Go(func() {
			key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			if assert.NoError(t, err) {
				assert.NoError(t, signed(key))
				assert.NoError(t, key.Close())
			}
		})
	}
	all.Wait()
	for _, c := range cards {
		assert.False(t, c.Verified())
		assert.NotZero(t, c.Exchanges().Commands)
	}
}

// whole lists, unlocks, signs and closes.
func whole(ctx context.Context, f *enumerate.Finder) error {
	for c, err := range f.All(ctx) {
		if err != nil {
			return err
		}
		key, err := c.Unlock(ctx, card.FixedPIN(cardtest.PIN))
		if err != nil {
			return err
		}
		err = signed(key)
		return errors.Join(err, key.Close())
	}
	return errors.New("there is no credential")
}

// atCommand runs the whole on a card, and stop at the n-th command of it. It
// reports how many commands there were.
func atCommand(t *testing.T, n int, stop func(cancel func(), f *enumerate.Finder), after func(*cardtest.Card, *enumerate.Finder, error)) int {
	soft := quickCard()
	readers := cardtest.NewReaders(soft)
	f := &enumerate.Finder{Service: readers.Service()}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var commands atomic.Int32 // some are seen after the caller has gone
	err := whole(card.WithTrace(ctx, &card.Trace{Command: func(string, card.Command, []byte, time.Duration) {
		if int(commands.Add(1)) == n {
			stop(cancel, f)
		}
	}}), f)
	after(soft, f, err)
	assert.NoError(t, f.Service.Close())
	assert.NoError(t, readers.Close())
	assert.False(t, soft.Verified())
	assert.Zero(t, soft.Spent())
	return int(commands.Load())
}

func TestCallersCanGiveUpAtAnyCommand(t *testing.T) {
	given := 0
	for n := 1; ; n++ {
		commands := atCommand(t, n, func(cancel func(), _ *enumerate.Finder) { cancel() }, func(soft *cardtest.Card, f *enumerate.Finder, err error) {
			if err != nil {
				given++
				assert.ErrorIs(t, err, context.Canceled)
			}
			assert.NoError(t, whole(t.Context(), f), "after command %d", n)
		})
		if commands < n {
			break
		}
	}
	assert.Greater(t, given, 10)
}

func TestServiceCanBeClosedAtAnyCommand(t *testing.T) {
	given := 0
	for n := 1; ; n++ {
		closed := make(chan error, 1)
		commands := atCommand(t, n, func(_ func(), f *enumerate.Finder) {
			go func() { closed <- f.Service.Close() }()
		}, func(soft *cardtest.Card, f *enumerate.Finder, err error) {
			if err == nil {
				return // it came too late, or not at all
			}
			given++
			assert.ErrorIs(t, err, card.ErrClosed)
			assert.NoError(t, <-closed)
			assert.ErrorIs(t, whole(t.Context(), f), card.ErrClosed)
		})
		if commands < n {
			break
		}
	}
	assert.Greater(t, given, 5)
}

// Keys and the service are closed while keys are used.
func TestCloseDuringAnything(t *testing.T) {
	soft := []*cardtest.Card{quickCard(), quickCard()}
	readers := cardtest.NewReaders(soft...)
	f := &enumerate.Finder{Service: readers.Service()}
	var list []*enumerate.Credential
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		list = append(list, c)
	}
	var all sync.WaitGroup
	var right atomic.Int64
	for i := range 8 {
		all.Go(func() {
			for {
				key, err := list[i%2].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
				if err != nil {
					assert.ErrorIs(t, err, card.ErrClosed)
					return
				}
				var using sync.WaitGroup
				using.Go(func() { assert.NoError(t, key.Close()) })
				if err := signed(key); err != nil {
					assert.ErrorIs(t, err, card.ErrClosed)
				}
				using.Wait()
				if right.Add(1) == 100 {
					all.Go(func() { assert.NoError(t, f.Service.Close()) })
				}
			}
		})
	}
	all.Wait()
	for _, c := range soft {
		assert.False(t, c.Verified())
		assert.Zero(t, c.Spent())
	}
	require.NoError(t, readers.Close())
}
