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

// quickKey is the public key of quickCard.
var quickKey = cardtest.Key(cardtest.P256, 0).Public().(*ecdsa.PublicKey)

func sign(key *enumerate.Key) error {
	digest := make([]byte, 32)
	signature, err := key.Sign(nil, digest, crypto.SHA256)
	if err == nil && !ecdsa.VerifyASN1(quickKey, digest, signature) {
		return errors.New("wrong signature")
	}
	return err
}

func TestConcurrentUseOfOneCredential(t *testing.T) {
	soft := quickCard()
	c := only(t, finder(t, soft))
	shared, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for range 10 {
				key := shared
				if i%2 == 0 { // its own, closed while others sign
					var err error
					if key, err = c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN)); !assert.NoError(t, err) {
						return
					}
				}
				assert.NoError(t, sign(key))
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

func TestConcurrentUseOfManyCards(t *testing.T) {
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
				assert.NoError(t, sign(key))
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

// signIn lists, unlocks, signs and closes.
func signIn(ctx context.Context, f *enumerate.Finder) error {
	for c, err := range f.All(ctx) {
		if err != nil {
			return err
		}
		key, err := c.Unlock(ctx, card.FixedPIN(cardtest.PIN))
		if err != nil {
			return err
		}
		err = sign(key)
		return errors.Join(err, key.Close())
	}
	return errors.New("no credential")
}

// atCommand signs in with a card and calls stop at the n-th command. It returns the
// number of commands.
func atCommand(t *testing.T, n int, stop func(cancel func(), f *enumerate.Finder), after func(*cardtest.Card, *enumerate.Finder, error)) int {
	soft := quickCard()
	readers := cardtest.NewReaders(soft)
	f := &enumerate.Finder{Service: readers.Service()}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var commands atomic.Int32 // a command may end after signIn
	err := signIn(card.WithTrace(ctx, &card.Trace{Command: func(string, card.Command, []byte, time.Duration) {
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

func TestCancelAtEachCommand(t *testing.T) {
	canceled := 0
	for n := 1; ; n++ {
		commands := atCommand(t, n, func(cancel func(), _ *enumerate.Finder) { cancel() }, func(soft *cardtest.Card, f *enumerate.Finder, err error) {
			if err != nil {
				canceled++
				assert.ErrorIs(t, err, context.Canceled)
			}
			assert.NoError(t, signIn(t.Context(), f), "after command %d", n)
		})
		if commands < n {
			break
		}
	}
	assert.Greater(t, canceled, 10)
}

func TestCloseServiceAtEachCommand(t *testing.T) {
	failed := 0
	for n := 1; ; n++ {
		closed := make(chan error, 1)
		commands := atCommand(t, n, func(_ func(), f *enumerate.Finder) {
			go func() { closed <- f.Service.Close() }()
		}, func(soft *cardtest.Card, f *enumerate.Finder, err error) {
			if err == nil {
				return // closed after signIn, or not at all
			}
			failed++
			assert.ErrorIs(t, err, card.ErrClosed)
			assert.NoError(t, <-closed)
			assert.ErrorIs(t, signIn(t.Context(), f), card.ErrClosed)
		})
		if commands < n {
			break
		}
	}
	assert.Greater(t, failed, 5)
}

func TestCloseDuringUse(t *testing.T) {
	soft := []*cardtest.Card{quickCard(), quickCard()}
	readers := cardtest.NewReaders(soft...)
	f := &enumerate.Finder{Service: readers.Service()}
	var list []*enumerate.Credential
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		list = append(list, c)
	}
	var all sync.WaitGroup
	var closed atomic.Int64
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
				if err := sign(key); err != nil {
					assert.True(t, errors.Is(err, card.ErrClosed) || errors.Is(err, enumerate.ErrKeyClosed), "%v", err)
				}
				using.Wait()
				if closed.Add(1) == 100 {
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
