package enumerate_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const zero = "Software Reader 00"

// A watched is a Finder, and what its Watch yields.
type watched struct {
	*enumerate.Finder
	t       *testing.T
	readers *cardtest.Readers
	events  chan enumerate.Event
	errs    chan error
	busy    sync.WaitGroup // the body of the loop waits for it
	ended   chan struct{}
}

// watching runs a test in a synctest bubble, whose time jumps and which fails if a
// goroutine is left.
func watching(t *testing.T, cards []*cardtest.Card, newFinder func(*card.Service) *enumerate.Finder, test func(t *testing.T, w *watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		readers := cardtest.NewReaders(cards...)
		service := readers.Service()
		ctx, cancel := context.WithCancel(t.Context())
		w := &watched{
			Finder: newFinder(service), t: t, readers: readers,
			events: make(chan enumerate.Event, 100), errs: make(chan error, 100), ended: make(chan struct{}),
		}
		go func() {
			defer close(w.ended)
			for event, err := range w.Watch(ctx) {
				if err != nil {
					assert.Zero(t, event)
					w.errs <- err
				} else {
					w.events <- event
				}
				w.busy.Wait()
			}
		}()
		test(t, w)
		cancel()
		<-w.ended
		assert.Empty(t, w.events)
		assert.Empty(t, w.errs)
		require.NoError(t, service.Close())
		require.NoError(t, readers.Close())
	})
}

// appeared waits until all goroutines wait, and returns the credentials that
// appeared. It fails the test if anything else was yielded.
func (w *watched) appeared() (list []*enumerate.Credential) {
	w.t.Helper()
	synctest.Wait()
	for range len(w.events) {
		c := <-w.events
		assert.False(w.t, c.Gone)
		list = append(list, c.Credential)
	}
	assert.Empty(w.t, w.errs)
	return list
}

// gone checks that exactly the events for these credentials being gone were yielded.
func (w *watched) gone(want ...*enumerate.Credential) {
	w.t.Helper()
	synctest.Wait()
	var list []*enumerate.Credential
	for range len(w.events) {
		c := <-w.events
		assert.True(w.t, c.Gone)
		list = append(list, c.Credential)
	}
	require.Len(w.t, list, len(want))
	for i := range want {
		assert.Same(w.t, want[i], list[i])
	}
}

// failed returns the one error that was yielded.
func (w *watched) failed() error {
	w.t.Helper()
	synctest.Wait()
	require.Len(w.t, w.errs, 1)
	assert.Empty(w.t, w.events)
	return <-w.errs
}

func TestWatch(t *testing.T) {
	alice := put(cardtest.Logon("alice@example.com"), "9C", cardtest.Leaf{UPNs: []string{"signer@example.com"}})
	watching(t, []*cardtest.Card{nil, alice}, newFinder, func(t *testing.T, w *watched) {
		listed := w.appeared()
		require.Len(t, listed, 2)
		assert.Equal(t, []string{"alice@example.com"}, listed[0].Names.UPNs)
		assert.Equal(t, "Software Reader 01", listed[0].Reader)

		bob := cardtest.Logon("bob@example.com")
		w.readers.Insert(zero, bob)
		inserted := w.appeared()
		require.Len(t, inserted, 1)
		key, err := inserted[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		assertSigns(t, key, inserted[0])
		require.NoError(t, key.Close())

		w.readers.Remove("Software Reader 01")
		w.gone(listed...)
		w.readers.Remove(zero)
		w.readers.Insert(zero, bob)
		synctest.Wait()
		require.Len(t, w.events, 2)
		assert.Equal(t, enumerate.Event{Gone: true, Credential: inserted[0]}, <-w.events)
		again := <-w.events
		assert.False(t, again.Gone)
		assert.NotSame(t, inserted[0], again.Credential)
		key, err = inserted[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err, "the same card is back")
		require.NoError(t, key.Close())
		w.readers.Unplug(zero)
		w.gone(again.Credential)
	})
}

func TestWatchWithoutReaders(t *testing.T) {
	watching(t, nil, newFinder, func(t *testing.T, w *watched) {
		assert.Empty(t, w.appeared())
		w.readers.Plug("R", nil)
		assert.Empty(t, w.appeared())
		w.readers.Insert("R", cardtest.Logon("alice@example.com"))
		assert.Len(t, w.appeared(), 1)
	})
}

func TestWatchServiceRestart(t *testing.T) {
	watching(t, []*cardtest.Card{cardtest.Logon("alice@example.com")}, newFinder, func(t *testing.T, w *watched) {
		listed := w.appeared()
		w.readers.Stop()
		w.gone(listed...)
		time.Sleep(time.Minute) // the bubble's time
		assert.ErrorIs(t, w.failed(), card.ErrNoService)
		w.readers.Start()
		time.Sleep(2 * time.Second)
		assert.Len(t, w.appeared(), 1)
	})
}

func TestWatchUnreadableCard(t *testing.T) {
	watching(t, []*cardtest.Card{nil, unsupportedCard(), cardtest.Logon("alice@example.com")}, newFinder, func(t *testing.T, w *watched) {
		synctest.Wait()
		err := <-w.errs
		assert.ErrorIs(t, err, enumerate.ErrNoApplication)
		assert.ErrorContains(t, err, `"Software Reader 01"`)
		assert.Len(t, w.appeared(), 1)

		w.readers.Fault(zero, 1, cardtest.Fault{What: cardtest.NoResponse})
		w.readers.Insert(zero, cardtest.Logon("bob@example.com"))
		assert.ErrorIs(t, w.failed(), card.ErrNoResponse)
		w.readers.Plug("Another", nil)
		w.readers.Insert("Another", cardtest.Logon("carol@example.com"))
		assert.Len(t, w.appeared(), 1)
	})
}

func TestWatchBusyCard(t *testing.T) {
	watching(t, []*cardtest.Card{nil}, newFinder, func(t *testing.T, w *watched) {
		w.readers.Fault(zero, 1, cardtest.Fault{What: cardtest.Busy, Times: 4})
		w.readers.Insert(zero, put(cardtest.Logon("alice@example.com"), "9C", cardtest.Leaf{}))
		assert.ErrorIs(t, w.failed(), card.ErrBusy)
		time.Sleep(time.Minute) // the bubble's time
		assert.Len(t, w.appeared(), 2)
	})
}

func TestWatchReset(t *testing.T) {
	watching(t, []*cardtest.Card{cardtest.Logon("alice@example.com")}, newFinder, func(t *testing.T, w *watched) {
		listed := w.appeared()
		require.Len(t, listed, 1)
		asked := 0
		key, err := listed[0].Unlock(t.Context(), func(context.Context, card.PINRequest) (card.PIN, error) {
			asked++
			return card.NewPIN([]byte(cardtest.PIN)), nil
		})
		require.NoError(t, err)
		w.readers.Reset(zero)
		assertSigns(t, key, listed[0])
		assert.Equal(t, 2, asked)
		require.NoError(t, key.Close())
		assert.Empty(t, w.appeared())
	})
}

func TestWatchRemovalDuringReading(t *testing.T) {
	for n := 1; n <= 7; n++ {
		watching(t, []*cardtest.Card{nil}, newFinder, func(t *testing.T, w *watched) {
			w.readers.Fault(zero, n, cardtest.Fault{What: cardtest.Removal})
			soft := cardtest.Logon("alice@example.com")
			w.readers.Insert(zero, soft)
			synctest.Wait()
			assert.Empty(t, w.errs)
			for c := range len(w.events) {
				assert.Equal(t, c == 1, (<-w.events).Gone)
			}
			w.readers.Insert(zero, soft)
			assert.Len(t, w.appeared(), 1)
		})
	}
}

func TestWatchServiceClosed(t *testing.T) {
	watching(t, []*cardtest.Card{cardtest.Logon("alice@example.com")}, newFinder, func(t *testing.T, w *watched) {
		w.appeared()
		require.NoError(t, w.Service.Close())
		<-w.ended
		assert.ErrorIs(t, <-w.errs, card.ErrClosed)
	})
}

func TestWatchBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readers := cardtest.NewReaders(cardtest.Logon("a@example.com"), cardtest.Logon("b@example.com"), unsupportedCard())
		f := enumerate.Finder{Service: readers.Service()}
		for at := range 3 { // other cards are still being read
			n := 0
			for c, err := range f.Watch(t.Context()) {
				assert.True(t, c.Credential != nil || errors.Is(err, enumerate.ErrNoApplication))
				if n++; n > at {
					break
				}
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range f.Watch(ended) {
			t.Error("yields after the end of the context")
		}
		require.NoError(t, f.Service.Close())
		require.NoError(t, readers.Close())
	})
}
