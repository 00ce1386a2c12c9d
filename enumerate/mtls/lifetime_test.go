package mtls_test

import (
	"context"
	"crypto"
	"crypto/tls"
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
	"github.com/smartlogon/smartlogon/enumerate/mtls"
)

// Instructions of commands.
const (
	verify              = 0x20
	generalAuthenticate = 0x87
)

// TestRemoval removes the card between handshakes, before the PIN is sent and before
// the signature. Then the same card or another one is in the reader.
func TestRemoval(t *testing.T) {
	between := func(f *fixture) { f.readers.Remove(reader) }
	at := func(ins byte) func(*fixture) {
		return func(f *fixture) {
			f.readers.OnCommand(func(_ string, command []byte) {
				if command[1] == ins && len(command) > 5 {
					f.readers.OnCommand(nil)
					f.readers.Remove(reader)
				}
			})
			_, err := f.connect(f.t.Context(), server(tls.VersionTLS13))
			assert.Error(f.t, err)
			assert.Error(f.t, f.Err())
		}
	}
	opened := func(f *fixture) {
		name, err := f.connect(f.t.Context(), server(tls.VersionTLS13))
		require.NoError(f.t, err)
		assert.Equal(f.t, "alice", name)
	}
	for _, test := range []struct {
		name    string
		open    bool // by a handshake before
		removal func(*fixture)
		prompts int32 // before the card is inserted
	}{
		{"between handshakes", true, between, 1},
		{"before VERIFY", false, at(verify), 1},
		{"before the first signature", false, at(generalAuthenticate), 1},
		{"before a later signature", true, at(generalAuthenticate), 1},
	} {
		for _, inserted := range []string{"same card", "same card, other reader", "no card", "another card"} {
			t.Run(test.name+"/"+inserted, func(t *testing.T) {
				soft, another := quickCard(alice), quickCard(bob)
				f := newFixture(t, soft)
				if test.open {
					opened(f)
				}
				test.removal(f)
				assert.Equal(t, test.prompts, f.user.asked.Load())
				assert.False(t, soft.Verified())
				switch inserted {
				case "same card":
					f.readers.Insert(reader, soft)
				case "same card, other reader":
					f.readers.Plug("Other", nil)
					f.readers.Insert("Other", soft)
				case "another card":
					f.readers.Insert(reader, another)
				}
				name, err := f.connect(t.Context(), server(tls.VersionTLS13))
				switch {
				case inserted == "same card", inserted == "same card, other reader":
					require.NoError(t, err)
					assert.Equal(t, "alice", name)
					assert.Equal(t, test.prompts+1, f.user.asked.Load())
				case test.name == "before VERIFY" && inserted == "another card":
					require.NoError(t, err, "no certificate was used before")
					assert.Equal(t, "bob", name)
				case test.name == "before VERIFY":
					require.NoError(t, err)
					assert.Empty(t, name)
					assert.ErrorIs(t, f.Err(), card.ErrNoCard)
				default:
					err = f.Explain(err)
					assert.Error(t, err)
					assert.True(t, errors.Is(err, card.ErrRemoved) || errors.Is(err, card.ErrNoCard) || errors.Is(err, card.ErrChanged), "%v", err)
					assert.Contains(t, card.Hint(err), "nsert ")
					assert.Zero(t, another.PINs())
					assert.Zero(t, another.KeyUses())
					assert.Equal(t, test.prompts, f.user.asked.Load())
				}
			})
		}
	}
}

// TestContextEndsAtEachCommand cancels a handshake at each command of the card.
func TestContextEndsAtEachCommand(t *testing.T) {
	canceled := 0
	for n, over := 1, false; !over; n++ {
		synctest.Test(t, func(t *testing.T) {
			soft := quickCard(alice)
			f := newFixture(t, soft)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var commands atomic.Int32
			returned := make(chan struct{})
			_, err := f.connect(card.WithTrace(ctx, &card.Trace{Command: func(string, card.Command, []byte, time.Duration) {
				if int(commands.Add(1)) != n {
					return
				}
				cancel()
				select {
				case <-returned: // the handshake does not wait for the listing and the prompt,
				case <-time.After(time.Second): // but for a signature
				}
			}}), server(tls.VersionTLS13))
			close(returned)
			over = int(commands.Load()) < n
			if err != nil {
				canceled++
				assert.ErrorIs(t, f.Explain(err), context.Canceled)
			}
			synctest.Wait()
			verified, asked := soft.Verified(), f.user.asked.Load()
			name, err := f.connect(t.Context(), server(tls.VersionTLS13))
			assert.NoError(t, err, "after command %d", n)
			assert.Equal(t, "alice", name)
			assert.Equal(t, verified, f.user.asked.Load() == asked, "verified only as long as the Source keeps the key open")
			require.NoError(t, f.Close())
			assert.False(t, soft.Verified())
		})
	}
	assert.Greater(t, canceled, 5)
}

// A prompt lasts as long as one handshake waits. Afterwards nothing is verified, and
// the next handshake works.
func TestHandshakesEndDuringPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soft := quickCard(alice)
		f := newFixture(t, soft)
		var prompts, ended atomic.Int32
		f.PIN = func(ctx context.Context, _ card.PINRequest) (card.PIN, error) {
			if prompts.Add(1) > 1 {
				return card.NewPIN([]byte(cardtest.PIN)), nil
			}
			<-ctx.Done()
			ended.Add(1)
			return card.PIN{}, ctx.Err()
		}
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(10+i)*time.Second)
				defer cancel()
				_, err := f.connect(ctx, server(tls.VersionTLS13))
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.NotEmpty(t, card.Hint(f.Err()))
			})
		}
		<-time.After(11500 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []int32{1, 0}, []int32{prompts.Load(), ended.Load()}, "one handshake waits")
		all.Wait()
		synctest.Wait()
		assert.Equal(t, []int32{1, 1}, []int32{prompts.Load(), ended.Load()})
		assert.False(t, soft.Verified())
		assert.Zero(t, soft.PINs())
		name, err := f.connect(t.Context(), server(tls.VersionTLS13))
		require.NoError(t, err)
		assert.Equal(t, "alice", name)
		assert.EqualValues(t, 2, prompts.Load())
		require.NoError(t, f.Close())
	})
}

// A user who does not enter the PIN is not asked again by parallel handshakes.
func TestParallelHandshakesShareRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, quickCard(alice))
		gaveUp := errors.New("user gave up")
		release := make(chan struct{})
		prompts := 0
		f.PIN = func(context.Context, card.PINRequest) (card.PIN, error) {
			prompts++
			<-release
			return card.PIN{}, gaveUp
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_, err := f.connect(t.Context(), server(tls.VersionTLS13))
				assert.ErrorIs(t, err, gaveUp)
			})
		}
		synctest.Wait()
		close(release)
		all.Wait()
		assert.Equal(t, 1, prompts)
	})
}

func TestOpen(t *testing.T) {
	soft := quickCard(alice)
	f := newFixture(t, soft)
	for range 2 {
		require.NoError(t, f.Open(t.Context()))
		assert.True(t, soft.Verified())
	}
	used := soft.Exchanges().Commands
	name, err := f.connect(t.Context(), server(tls.VersionTLS13))
	require.NoError(t, err)
	assert.Equal(t, "alice", name)
	assert.LessOrEqual(t, soft.Exchanges().Commands-used, 2, "the cards are not listed again")
	assert.EqualValues(t, 1, f.user.asked.Load())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, newFixture(t, quickCard(alice)).Open(ctx), context.Canceled)
}

func TestClose(t *testing.T) {
	soft := quickCard(alice)
	f := newFixture(t, soft)
	c, err := f.Get(&tls.CertificateRequestInfo{Version: tls.VersionTLS13, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	assert.False(t, soft.Verified())
	_, err = f.connect(t.Context(), server(tls.VersionTLS13))
	assert.ErrorIs(t, err, mtls.ErrClosed)
	assert.NotEmpty(t, card.Hint(err))
	assert.ErrorIs(t, f.Open(t.Context()), mtls.ErrClosed)
	_, err = c.PrivateKey.(crypto.Signer).Sign(nil, make([]byte, 32), crypto.SHA256)
	assert.ErrorIs(t, err, mtls.ErrClosed)
}

// TestCloseDuringHandshakes closes a Source that handshakes use.
func TestCloseDuringHandshakes(t *testing.T) {
	soft := quickCard(alice)
	f := newFixture(t, soft)
	var all sync.WaitGroup
	var done atomic.Int32
	for range 8 {
		all.Go(func() {
			for {
				if _, err := f.connect(t.Context(), server(tls.VersionTLS13)); err != nil {
					assert.ErrorContains(t, err, mtls.ErrClosed.Error())
					return
				}
				if done.Add(1) == 20 {
					assert.NoError(t, f.Close())
					assert.False(t, soft.Verified())
				}
			}
		})
	}
	all.Wait()
	assert.False(t, soft.Verified())
}
