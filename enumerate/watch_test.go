package enumerate_test

import (
	"context"
	"errors"
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

// A watched Finder collects what its watch tells.
type watched struct {
	*enumerate.Finder
	t       *testing.T
	readers *cardtest.Readers
	changes chan enumerate.Event
	errs    chan error
	stop    context.CancelFunc
	ended   chan struct{}
}

// watching runs a test in a synctest bubble, in which nothing takes time and
// nothing may be left at the end.
func watching(t *testing.T, cards []*cardtest.Card, test func(t *testing.T, w *watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		readers := cardtest.NewReaders(cards...)
		service := readers.Service()
		ctx, cancel := context.WithCancel(t.Context())
		w := &watched{&enumerate.Finder{Service: service}, t, readers, make(chan enumerate.Event, 100), make(chan error, 100), cancel, make(chan struct{})}
		go func() {
			defer close(w.ended)
			for change, err := range w.Watch(ctx) {
				if err != nil {
					assert.Zero(t, change)
					w.errs <- err
				} else {
					w.changes <- change
				}
			}
		}()
		test(t, w)
		cancel()
		<-w.ended
		assert.Empty(t, w.changes)
		assert.Empty(t, w.errs)
		require.NoError(t, service.Close())
		require.NoError(t, readers.Close())
	})
}

// appear waits until nothing more happens, and returns what appeared. Nothing
// else has happened.
func (w *watched) appear() (list []*enumerate.Credential) {
	w.t.Helper()
	synctest.Wait()
	for range len(w.changes) {
		c := <-w.changes
		assert.False(w.t, c.Gone)
		list = append(list, c.Credential)
	}
	assert.Empty(w.t, w.errs)
	return list
}

// goes makes sure that exactly these are gone.
func (w *watched) goes(want ...*enumerate.Credential) {
	w.t.Helper()
	synctest.Wait()
	var list []*enumerate.Credential
	for range len(w.changes) {
		c := <-w.changes
		assert.True(w.t, c.Gone)
		list = append(list, c.Credential)
	}
	require.Len(w.t, list, len(want))
	for i := range want {
		assert.Same(w.t, want[i], list[i])
	}
}

// fails waits for exactly one error.
func (w *watched) fails() error {
	w.t.Helper()
	synctest.Wait()
	require.Len(w.t, w.errs, 1)
	assert.Empty(w.t, w.changes)
	return <-w.errs
}

func TestWatchTellsOfCredentialsThatComeAndGo(t *testing.T) {
	alice := put(cardtest.Logon("alice@example.com"), "9C", cardtest.Leaf{UPNs: []string{"signer@example.com"}})
	watching(t, []*cardtest.Card{nil, alice}, func(t *testing.T, w *watched) {
		there := w.appear()
		require.Len(t, there, 2)
		assert.Equal(t, []string{"alice@example.com"}, there[0].Names.UPNs)
		assert.Equal(t, "Software Reader 01", there[0].Reader)

		bob := cardtest.Logon("bob@example.com")
		w.readers.Insert(zero, bob)
		fresh := w.appear()
		require.Len(t, fresh, 1)
		key, err := fresh[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		assertSigns(t, key, fresh[0])
		require.NoError(t, key.Close())

		w.readers.Remove("Software Reader 01")
		w.goes(there...)
		w.readers.Remove(zero)
		w.readers.Insert(zero, bob)
		synctest.Wait()
		require.Len(t, w.changes, 2)
		assert.Equal(t, enumerate.Event{Gone: true, Credential: fresh[0]}, <-w.changes)
		again := <-w.changes
		assert.False(t, again.Gone)
		assert.NotSame(t, fresh[0], again.Credential)
		key, err = fresh[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err, "the same card is back")
		require.NoError(t, key.Close())
		w.readers.Unplug(zero)
		w.goes(again.Credential)
	})
}

func TestWatchWithoutReadersWaits(t *testing.T) {
	watching(t, nil, func(t *testing.T, w *watched) {
		assert.Empty(t, w.appear())
		w.readers.Plug("R", nil)
		assert.Empty(t, w.appear())
		w.readers.Insert("R", cardtest.Logon("alice@example.com"))
		assert.Len(t, w.appear(), 1)
	})
}

func TestWatchTellsOfAServiceThatStopsOnceAndGoesOn(t *testing.T) {
	watching(t, []*cardtest.Card{cardtest.Logon("alice@example.com")}, func(t *testing.T, w *watched) {
		there := w.appear()
		w.readers.Stop()
		w.goes(there...)
		time.Sleep(time.Minute) // of the bubble
		assert.ErrorIs(t, w.fails(), card.ErrNoService)
		w.readers.Start()
		time.Sleep(2 * time.Second)
		assert.Len(t, w.appear(), 1)
	})
}

func TestUnreadableCardIsAnErrorAndHidesNoOther(t *testing.T) {
	watching(t, []*cardtest.Card{nil, foreign(), cardtest.Logon("alice@example.com")}, func(t *testing.T, w *watched) {
		synctest.Wait()
		err := <-w.errs
		assert.ErrorIs(t, err, enumerate.ErrNoApplication)
		assert.ErrorContains(t, err, `"Software Reader 01"`)
		assert.Len(t, w.appear(), 1)

		w.readers.Fault(zero, 1, cardtest.Fault{What: cardtest.NoResponse})
		w.readers.Insert(zero, cardtest.Logon("bob@example.com"))
		assert.ErrorIs(t, w.fails(), card.ErrNoResponse)
		w.readers.Plug("Another", nil)
		w.readers.Insert("Another", cardtest.Logon("carol@example.com"))
		assert.Len(t, w.appear(), 1)
	})
}

func TestCardIsReadWhenAnotherProgramIsDoneWithIt(t *testing.T) {
	watching(t, []*cardtest.Card{nil}, func(t *testing.T, w *watched) {
		w.readers.Fault(zero, 1, cardtest.Fault{What: cardtest.Busy, Times: 4})
		w.readers.Insert(zero, put(cardtest.Logon("alice@example.com"), "9C", cardtest.Leaf{}))
		assert.ErrorIs(t, w.fails(), card.ErrBusy)
		time.Sleep(time.Minute) // of the bubble
		assert.Len(t, w.appear(), 2)
	})
}

func TestCredentialsStayWhenTheCardIsReset(t *testing.T) {
	watching(t, []*cardtest.Card{cardtest.Logon("alice@example.com")}, func(t *testing.T, w *watched) {
		there := w.appear()
		require.Len(t, there, 1)
		asked := 0
		key, err := there[0].Unlock(t.Context(), func(context.Context, card.PINRequest) (card.PIN, error) {
			asked++
			return card.NewPIN([]byte(cardtest.PIN)), nil
		})
		require.NoError(t, err)
		w.readers.Reset(zero)
		assertSigns(t, key, there[0])
		assert.Equal(t, 2, asked)
		require.NoError(t, key.Close())
		assert.Empty(t, w.appear())
	})
}

func TestCardThatIsRemovedWhileItIsReadIsNoError(t *testing.T) {
	for n := 1; n <= 7; n++ {
		watching(t, []*cardtest.Card{nil}, func(t *testing.T, w *watched) {
			w.readers.Fault(zero, n, cardtest.Fault{What: cardtest.Removal})
			soft := cardtest.Logon("alice@example.com")
			w.readers.Insert(zero, soft)
			synctest.Wait()
			assert.Empty(t, w.errs)
			for c := range len(w.changes) {
				assert.Equal(t, c == 1, (<-w.changes).Gone)
			}
			w.readers.Insert(zero, soft)
			assert.Len(t, w.appear(), 1)
		})
	}
}

func TestWatchEndsWithTheService(t *testing.T) {
	watching(t, []*cardtest.Card{cardtest.Logon("alice@example.com")}, func(t *testing.T, w *watched) {
		w.appear()
		require.NoError(t, w.Service.Close())
		<-w.ended
		assert.ErrorIs(t, <-w.errs, card.ErrClosed)
	})
}

func TestBreakingOffAWatchLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readers := cardtest.NewReaders(cardtest.Logon("a@example.com"), cardtest.Logon("b@example.com"), foreign())
		f := enumerate.Finder{Service: readers.Service()}
		for at := range 3 { // the rest is still being read
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
			t.Error("an ended watch yields")
		}
		require.NoError(t, f.Service.Close())
		require.NoError(t, readers.Close())
	})
}
