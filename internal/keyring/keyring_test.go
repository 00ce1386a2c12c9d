package keyring_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/keyring"
)

const reader = "Software Reader 00"

var signer = cardtest.Key(cardtest.P256, 0)

// logon returns a card with a quick key.
func logon(name string) *cardtest.Card {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: signer, UPNs: []string{name}})
	return cardtest.PIV().Put("9A", key, certificate)
}

// A user answers prompts.
type user struct {
	asked atomic.Int32
	wait  chan struct{} // if not nil, the user thinks until it is closed
	err   error
}

func (u *user) ask(ctx context.Context, r card.PINRequest) (card.PIN, error) {
	u.asked.Add(1)
	if u.wait != nil {
		select {
		case <-u.wait:
		case <-ctx.Done():
			return card.PIN{}, ctx.Err()
		}
	}
	if u.err != nil {
		return card.PIN{}, u.err
	}
	return card.NewPIN([]byte(cardtest.PIN)), nil
}

// A fixture is a key of the only credential in the readers.
type fixture struct {
	soft    *cardtest.Card
	readers *cardtest.Readers
	user    *user
	ring    *keyring.Ring
	key     *keyring.Key
	close   func()
}

func newFixture(t *testing.T, lifetime time.Duration) *fixture {
	t.Helper()
	f := &fixture{soft: logon("alice@example.com"), user: &user{}}
	f.readers = cardtest.NewReaders(f.soft)
	service := f.readers.Service()
	finder := &enumerate.Finder{Service: service}
	var c *enumerate.Credential
	for listed, err := range finder.All(t.Context()) {
		require.NoError(t, err)
		c = listed
	}
	require.NotNil(t, c)
	f.ring = keyring.New(f.user.ask, lifetime)
	f.key = f.ring.Key(c)
	f.close = func() {
		require.NoError(t, f.ring.Close())
		assert.False(t, f.soft.Verified())
		require.NoError(t, service.Close())
		require.NoError(t, f.readers.Close())
		assert.Zero(t, f.soft.Spent())
	}
	return f
}

func (f *fixture) sign(ctx context.Context) error {
	digest := make([]byte, 32)
	signature, err := f.key.Sign(ctx, nil, digest, crypto.SHA256)
	if err == nil && !ecdsa.VerifyASN1(signer.Public().(*ecdsa.PublicKey), digest, signature) {
		err = errors.New("wrong signature")
	}
	return err
}

// signInParallel signs n times at once and returns the errors.
func (f *fixture) signInParallel(ctx context.Context, n int) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = f.sign(ctx) })
	}
	all.Wait()
	return errs
}

func TestOnePrompt(t *testing.T) {
	f := newFixture(t, 0)
	defer f.close()
	assert.False(t, f.key.IsOpen())
	assert.NoError(t, errors.Join(f.signInParallel(t.Context(), 16)...))
	assert.NoError(t, errors.Join(f.signInParallel(t.Context(), 16)...))
	assert.EqualValues(t, 1, f.user.asked.Load())
	assert.True(t, f.key.IsOpen())
	f.key.Close()
	f.key.Close()
	assert.False(t, f.key.IsOpen())
	assert.False(t, f.soft.Verified())
	assert.NoError(t, f.sign(t.Context()))
	assert.EqualValues(t, 2, f.user.asked.Load())
}

func TestOneRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, 0)
		f.user.wait, f.user.err = make(chan struct{}), errors.New("user gave up")
		var all sync.WaitGroup
		all.Go(func() {
			for _, err := range f.signInParallel(t.Context(), 16) {
				assert.ErrorIs(t, err, f.user.err)
			}
		})
		synctest.Wait()
		close(f.user.wait)
		all.Wait()
		assert.EqualValues(t, 1, f.user.asked.Load())
		f.close()
	})
}

// A caller that gives up does not end the prompt of the others. The last one does,
// and nothing is verified then.
func TestPromptEndsWithLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, 0)
		f.user.wait = make(chan struct{})
		first, cancelFirst := context.WithCancel(t.Context())
		second, cancelSecond := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, ctx := range []context.Context{first, second} {
			all.Go(func() { assert.ErrorIs(t, f.sign(ctx), context.Canceled) })
			synctest.Wait()
		}
		cancelFirst()
		synctest.Wait()
		assert.EqualValues(t, 1, f.user.asked.Load())
		cancelSecond()
		all.Wait()
		synctest.Wait()
		assert.False(t, f.key.IsOpen())
		assert.Zero(t, f.soft.PINs())
		close(f.user.wait)
		require.NoError(t, f.sign(t.Context()))
		assert.EqualValues(t, 2, f.user.asked.Load())
		f.close()
	})
}

// TestContextEndsAtEachCommand cancels the only caller at each command.
func TestContextEndsAtEachCommand(t *testing.T) {
	canceled := 0
	for n, over := 1, false; !over; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, 0)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var commands atomic.Int32
			returned := make(chan struct{})
			err := f.key.Unlock(card.WithTrace(ctx, &card.Trace{Command: func(string, card.Command, []byte, time.Duration) {
				if int(commands.Add(1)) == n {
					cancel()
					<-returned
				}
			}}))
			close(returned)
			over = int(commands.Load()) < n
			if !over {
				canceled++
				assert.ErrorIs(t, err, context.Canceled)
				synctest.Wait()
				assert.False(t, f.key.IsOpen(), "after command %d", n)
				assert.False(t, f.soft.Verified(), "after command %d", n)
			}
			assert.NoError(t, f.sign(t.Context()), "after command %d", n)
			f.close()
		})
	}
	assert.Greater(t, canceled, 3)
}

func TestCardRemovedAndInserted(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(f *fixture)
		want    error
		prompts int32
	}{
		"nothing":     {func(*fixture) {}, nil, 1},
		"same reader": {func(f *fixture) { f.readers.Remove(reader); f.readers.Insert(reader, f.soft) }, nil, 2},
		"other reader": {func(f *fixture) {
			f.readers.Remove(reader)
			f.readers.Plug("Other", nil)
			f.readers.Insert("Other", f.soft)
		}, nil, 2},
		"reset":        {func(f *fixture) { f.readers.Reset(reader) }, nil, 2},
		"removed":      {func(f *fixture) { f.readers.Remove(reader) }, card.ErrRemoved, 1},
		"another card": {func(f *fixture) { f.readers.Remove(reader); f.readers.Insert(reader, logon("bob@example.com")) }, card.ErrChanged, 1},
		"exchanged":    {func(f *fixture) { f.readers.Replace(reader, logon("bob@example.com")) }, card.ErrChanged, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 0)
			defer f.close()
			require.NoError(t, f.sign(t.Context()))
			test.happens(f)
			for _, err := range f.signInParallel(t.Context(), 8) {
				if test.want == nil {
					assert.NoError(t, err)
				} else {
					assert.ErrorIs(t, err, test.want)
					assert.Equal(t, "Insert the card that was used before, and leave it in the reader.", card.Hint(err))
				}
			}
			assert.Equal(t, test.prompts, f.user.asked.Load())
		})
	}
}

func TestLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, time.Minute)
		require.NoError(t, f.sign(t.Context()))
		<-time.After(59 * time.Second)
		synctest.Wait()
		require.NoError(t, f.sign(t.Context()))
		assert.True(t, f.soft.Verified())
		<-time.After(2 * time.Second)
		synctest.Wait()
		assert.False(t, f.key.IsOpen())
		assert.False(t, f.soft.Verified())
		require.NoError(t, f.sign(t.Context()))
		assert.EqualValues(t, 2, f.user.asked.Load())
		f.close()
	})
}

func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, 0)
		require.NoError(t, f.sign(t.Context()))
		f.ring.Lock()
		assert.False(t, f.soft.Verified())

		f.user.wait = make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() { assert.ErrorIs(t, f.sign(t.Context()), context.Canceled) })
		synctest.Wait()
		f.ring.Lock()
		all.Wait()
		assert.False(t, f.key.IsOpen())
		assert.EqualValues(t, 2, f.user.asked.Load())
		f.close()
	})
}

// TestLockDuringUse locks the ring at each command of an unlocking and a signature.
func TestLockDuringUse(t *testing.T) {
	for n, over := 1, false; !over; n++ {
		f := newFixture(t, 0)
		var commands atomic.Int32
		var locking sync.WaitGroup // waits for the transaction
		ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(string, card.Command, []byte, time.Duration) {
			if int(commands.Add(1)) == n {
				locking.Go(f.ring.Lock)
			}
		}})
		err := f.sign(ctx)
		locking.Wait()
		over = int(commands.Load()) < n
		if err != nil { // the signature may have been first
			assert.NotErrorIs(t, err, enumerate.ErrKeyClosed, "locked at command %d", n)
		}
		assert.LessOrEqual(t, f.user.asked.Load(), int32(1))
		assert.Equal(t, over, f.key.IsOpen())
		assert.Equal(t, over, f.soft.Verified())
		f.close()
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, time.Minute)
		require.NoError(t, f.sign(t.Context()))
		f.close()
		assert.ErrorIs(t, f.sign(t.Context()), keyring.ErrClosed)
		require.NoError(t, f.ring.Close())

		f = newFixture(t, 0)
		f.user.wait = make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() { assert.ErrorIs(t, f.sign(t.Context()), context.Canceled) })
		synctest.Wait()
		f.close()
		all.Wait()
	})
}

func TestPanicInPrompt(t *testing.T) {
	f := newFixture(t, 0)
	defer f.close()
	ring := keyring.New(func(context.Context, card.PINRequest) (card.PIN, error) { panic("in a PINFunc") }, 0)
	var c *enumerate.Credential
	service := f.readers.Service()
	defer service.Close()
	for listed := range (&enumerate.Finder{Service: service}).All(t.Context()) {
		c = listed
	}
	assert.PanicsWithValue(t, "in a PINFunc", func() { _ = ring.Key(c).Unlock(t.Context()) })
	assert.False(t, f.soft.Verified())
	require.NoError(t, ring.Close())

	ring = keyring.New(nil, 0)
	assert.ErrorIs(t, ring.Key(c).Unlock(t.Context()), card.ErrPINRequired)
	require.NoError(t, ring.Close())
}

// A card that wants the PIN at each use gets it at each use, one prompt after the
// other.
func TestPINForEachUse(t *testing.T) {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: signer, UPNs: []string{"alice@example.com"}})
	soft := cardtest.PIV().Put("9C", key, certificate)
	service := cardtest.NewService(soft)
	defer service.Close()
	var c *enumerate.Credential
	for listed, err := range (&enumerate.Finder{Service: service}).All(t.Context()) {
		require.NoError(t, err)
		c = listed
	}
	var inside, asked atomic.Int32
	ring := keyring.New(func(context.Context, card.PINRequest) (card.PIN, error) {
		asked.Add(1)
		assert.EqualValues(t, 1, inside.Add(1))
		defer inside.Add(-1)
		return card.NewPIN([]byte(cardtest.PIN)), nil
	}, 0)
	f := &fixture{key: ring.Key(c)}
	assert.NoError(t, errors.Join(f.signInParallel(t.Context(), 8)...))
	assert.EqualValues(t, 8, asked.Load())
	require.NoError(t, ring.Close())
	assert.False(t, soft.Verified())
}
