package card_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	zero = "Software Reader 00"
	one  = "Software Reader 01"
)

// A watcher collects what Watch yields.
type watcher struct {
	t     *testing.T
	all   chan watchResult
	stop  context.CancelFunc
	ended chan struct{}
}

type watchResult struct {
	event card.Event
	err   error
}

func watch(t *testing.T, s *card.Service) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{t, make(chan watchResult, 100), cancel, make(chan struct{})}
	go func() {
		defer close(w.ended)
		for e, err := range s.Watch(ctx) {
			w.all <- watchResult{e, err}
		}
	}()
	return w
}

// next waits for n events and errors, and returns them as text.
func (w *watcher) next(n int) []string {
	w.t.Helper()
	var list []string
	for range n {
		select {
		case r := <-w.all:
			list = append(list, r.String())
		case <-time.After(20 * time.Second):
			w.t.Fatalf("only %d of %d events: %q", len(list), n, list)
		}
	}
	return list
}

// quiet asserts that nothing more is yielded. It needs synctest.
func (w *watcher) quiet() {
	w.t.Helper()
	synctest.Wait()
	assert.Empty(w.t, w.all)
}

// end stops the watch and asserts that it yields nothing more.
func (w *watcher) end() {
	w.t.Helper()
	w.stop()
	<-w.ended
	assert.Empty(w.t, w.all)
}

func (r watchResult) String() string {
	if r.err != nil {
		return r.err.Error()
	}
	return fmt.Sprintf("%v: %s", r.event.Kind, r.event.Reader)
}

// watchReaders runs a test with readers under synctest.
func watchReaders(t *testing.T, cards []*cardtest.Card, test func(*testing.T, *cardtest.Readers, *card.Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		readers := cardtest.NewReaders(cards...)
		s := readers.Service()
		test(t, readers, s)
		require.NoError(t, s.Close())
		require.NoError(t, readers.Close())
	})
}

func TestWatch(t *testing.T) {
	soft := cardtest.PIV()
	watchReaders(t, []*cardtest.Card{soft, nil}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		w := watch(t, s)
		first := <-w.all
		require.NoError(t, first.err)
		assert.Equal(t, card.Event{Kind: card.ReaderAdded, Reader: zero}, first.event)
		inserted := (<-w.all).event
		assert.Equal(t, card.CardInserted, inserted.Kind)
		assert.Equal(t, zero, inserted.Reader)
		assert.Equal(t, card.ATR(soft.ATR()), inserted.ATR)
		assert.Equal(t, card.ATR(soft.ATR()), inserted.Card.ATR())
		assert.Equal(t, zero, inserted.Card.Reader())
		require.NoError(t, inserted.Card.Do(t.Context(), func(*card.Tx) error { return nil }))
		assert.Equal(t, []string{"reader added: " + one}, w.next(1))
		w.quiet()

		readers.Remove(zero)
		removed := (<-w.all).event
		assert.Equal(t, card.Event{Kind: card.CardRemoved, Reader: zero, Card: inserted.Card, ATR: soft.ATR()}, removed)
		readers.Insert(one, soft)
		assert.Equal(t, []string{"card inserted: " + one}, w.next(1))
		readers.Plug("Another", nil)
		assert.Equal(t, []string{"reader added: Another"}, w.next(1))
		readers.Unplug(one)
		assert.Equal(t, []string{"card removed: " + one, "reader removed: " + one}, w.next(2))
		w.quiet()
		w.end()
	})
}

func TestWatchWithoutReaders(t *testing.T) {
	watchReaders(t, nil, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		w := watch(t, s)
		w.quiet()
		readers.Plug("First", nil)
		assert.Equal(t, []string{"reader added: First"}, w.next(1))
		w.end()
	})
}

func TestWatchExchangedCard(t *testing.T) {
	a, b := cardtest.PIV(), cardtest.PIV()
	watchReaders(t, []*cardtest.Card{a}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		var list []string
		var cards []*card.Card
		for e, err := range s.Watch(t.Context()) {
			require.NoError(t, err)
			list = append(list, watchResult{event: e}.String())
			cards = append(cards, e.Card)
			if len(list) == 2 { // before the next event
				readers.Remove(zero)
				readers.Insert(zero, b)
			}
			if len(list) == 4 {
				break
			}
		}
		assert.Equal(t, []string{"reader added: " + zero, "card inserted: " + zero, "card removed: " + zero, "card inserted: " + zero}, list)
		assert.Same(t, cards[1], cards[2])
		nothing := func(*card.Tx) error { return nil }
		assert.ErrorIs(t, cards[1].Do(t.Context(), nothing), card.ErrRemoved)
		assert.NoError(t, cards[3].Do(t.Context(), nothing))
	})
}

func TestWatchShortInsertion(t *testing.T) {
	soft := cardtest.PIV()
	watchReaders(t, []*cardtest.Card{nil}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		var list []string
		for e, err := range s.Watch(t.Context()) {
			require.NoError(t, err)
			list = append(list, watchResult{event: e}.String())
			readers.Insert(zero, soft)
			readers.Remove(zero)
			readers.Plug(fmt.Sprint("Another ", len(list)), nil)
			if len(list) == 3 {
				break
			}
		}
		assert.Equal(t, []string{"reader added: " + zero, "reader added: Another 1", "reader added: Another 2"}, list)
	})
}

func TestWatchServiceRestart(t *testing.T) {
	soft := cardtest.PIV()
	watchReaders(t, []*cardtest.Card{soft}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		there := []string{"reader added: " + zero, "card inserted: " + zero}
		w := watch(t, s)
		require.Equal(t, there, w.next(2))
		for range 3 {
			readers.Stop()
			assert.Equal(t, []string{"card removed: " + zero, "reader removed: " + zero}, w.next(2))
			r := <-w.all
			assert.ErrorIs(t, r.err, card.ErrNoService)
			assert.NotEmpty(t, card.Hint(r.err))
			<-time.After(time.Hour) // of synctest: the error is yielded once
			w.quiet()
			start := time.Now()
			readers.Start()
			assert.Equal(t, there, w.next(2))
			assert.LessOrEqual(t, time.Since(start), 2*time.Second)
			w.quiet()
		}
		w.end()
	})
}

func TestWatchBeforeService(t *testing.T) {
	watchReaders(t, []*cardtest.Card{nil}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		readers.Stop()
		w := watch(t, s)
		assert.ErrorIs(t, (<-w.all).err, card.ErrNoService)
		w.quiet()
		readers.Start()
		assert.Equal(t, []string{"reader added: " + zero}, w.next(1))
		w.end()
	})
}

func TestWatchContextEndsWithoutService(t *testing.T) {
	watchReaders(t, nil, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		readers.Stop()
		w := watch(t, s)
		assert.ErrorIs(t, (<-w.all).err, card.ErrNoService)
		w.quiet()
		w.end()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range s.Watch(ended) {
			t.Error("yielded after the end of the context")
		}
	})
}

func TestWatchServiceClosed(t *testing.T) {
	watchReaders(t, []*cardtest.Card{nil}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		w := watch(t, s)
		w.next(1)
		w.quiet()
		require.NoError(t, s.Close())
		assert.ErrorIs(t, (<-w.all).err, card.ErrClosed)
		<-w.ended
		w = watch(t, s)
		assert.ErrorIs(t, (<-w.all).err, card.ErrClosed)
		<-w.ended
	})
}

func TestServiceCloseInWatch(t *testing.T) {
	watchReaders(t, []*cardtest.Card{nil}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		var list []error
		for _, err := range s.Watch(t.Context()) {
			list = append(list, err)
			require.NoError(t, s.Close())
		}
		require.Len(t, list, 2)
		assert.NoError(t, list[0])
		assert.ErrorIs(t, list[1], card.ErrClosed)
	})
}

// PC/SC reports a reset only to connected programs, at their next call.
func TestWatchReset(t *testing.T) {
	watchReaders(t, []*cardtest.Card{cardtest.PIV()}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		w, other := watch(t, s), watch(t, s)
		w.next(1)
		c := (<-w.all).event.Card
		other.next(2)
		release, err := c.Hold(t.Context())
		require.NoError(t, err)
		defer release()
		readers.Reset(zero)
		w.quiet()
		require.NoError(t, c.Do(t.Context(), func(*card.Tx) error { return nil }))
		assert.Equal(t, card.Event{Kind: card.CardReset, Reader: zero, Card: c, ATR: c.ATR()}, (<-w.all).event)
		assert.Equal(t, []string{"card reset: " + zero}, other.next(1))
		w.quiet()
		w.end()
		other.end()
	})
}

// A scriptedWaits is a driver that yields states in turn.
type scriptedWaits struct {
	driver.Service
	steps chan step
}

type step struct {
	readers []driver.Reader
	err     error
}

func (s scriptedWaits) Wait(ctx context.Context, known []driver.Reader) ([]driver.Reader, error) {
	select {
	case st := <-s.steps:
		return st.readers, st.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (scriptedWaits) Close() error { return nil }

func TestWatchDriverStates(t *testing.T) {
	with := func(r ...driver.Reader) step { return step{readers: r} }
	r := func(events uint32, present, mute bool, atr ...byte) driver.Reader {
		return driver.Reader{Name: "R", Events: events, Present: present, Mute: mute, ATR: atr}
	}
	boom := errors.New("boom")
	cases := []struct {
		name  string
		steps []step
		want  []string
	}{
		{"another ATR",
			[]step{with(r(1, true, false, 0x3B, 0)), with(r(1, true, false, 0x3B, 1))},
			[]string{"reader added: R", "card inserted: R", "card reset: R"}},
		{"a mute card that answers to reset later",
			[]step{with(r(1, true, true)), with(r(1, true, false, 0x3B, 1))},
			[]string{"reader added: R", "card inserted: R", "card reset: R"}},
		{"a removal that is not counted",
			[]step{with(r(0, true, false, 0x3B, 0)), with(r(0, false, false)), with(r(0, true, false, 0x3B, 0))},
			[]string{"reader added: R", "card inserted: R", "card removed: R", "card inserted: R"}},
		{"a service restarted without a card",
			[]step{with(r(1, false, false)), with(r(1<<16, false, false)), with(r(1<<16+1, true, false, 0x3B, 0))},
			[]string{"reader added: R", "card inserted: R"}},
		{"a service restarted with a card",
			[]step{with(r(1, true, false, 0x3B, 0)), with(r(1<<16, true, false, 0x3B, 0))},
			[]string{"reader added: R", "card inserted: R", "card removed: R", "card inserted: R"}},
		{"a reader replaced by another",
			[]step{with(r(1, true, false, 0x3B, 0)), with(driver.Reader{Name: "S"})},
			[]string{"reader added: R", "card inserted: R", "card removed: R", "reader removed: R", "reader added: S"}},
		{"no service without a reader, as on Windows",
			[]step{{err: driver.NoService}, {err: driver.NoService}, with(r(0, false, false)), {err: driver.ServiceStopped}, {err: driver.NoService}},
			[]string{"card: watch readers: smart card service is not running (8010001D)", "reader added: R",
				"reader removed: R", "card: watch readers: smart card service is not running (8010001E)"}},
		{"other errors remove nothing",
			[]step{with(r(1, true, false, 0x3B, 0)), {err: boom}, {err: boom}, {err: driver.NoMemory}, with(r(2, false, false)), {err: boom}},
			[]string{"reader added: R", "card inserted: R", "card: watch readers: boom",
				"card: watch readers: smart card service is out of memory", "card removed: R", "card: watch readers: boom"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := scriptedWaits{steps: make(chan step)}
				s := card.NewService(d, nil)
				w := watch(t, s)
				for _, st := range c.steps {
					d.steps <- st
				}
				assert.Equal(t, c.want, w.next(len(c.want)))
				w.quiet()
				w.end()
				require.NoError(t, s.Close())
			})
		})
	}
}

func TestWatchMuteCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := scriptedWaits{steps: make(chan step, 1)}
		s := card.NewService(d, nil)
		w := watch(t, s)
		d.steps <- step{readers: []driver.Reader{{Name: "R", Present: true, Mute: true}}}
		w.next(1)
		assert.Equal(t, card.Event{Kind: card.CardInserted, Reader: "R", Mute: true}, (<-w.all).event)
		w.end()
		require.NoError(t, s.Close())
	})
}

// TestWatchRandomEvents changes the readers at random. The sum of all events is the final
// state, and each event is possible in the state before it.
func TestWatchRandomEvents(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *cardtest.Readers) driver.Service{
		"in process": func(_ *testing.T, r *cardtest.Readers) driver.Service { return r.Driver() },
		"on a socket": func(t *testing.T, r *cardtest.Readers) driver.Service {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", path)
			require.NoError(t, err)
			served := make(chan error, 1)
			go func() { served <- r.Serve(l) }()
			t.Cleanup(func() { require.NoError(t, <-served) })
			t.Cleanup(func() { require.NoError(t, r.Close()) })
			return client.New(path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			t.Run("events", func(t *testing.T) { randomEvents(t, open) })
			noneLeft(t, before)
		})
	}
}

// noneLeft waits until no more goroutines run than before.
func noneLeft(t *testing.T, before int) {
	t.Helper()
	tick, late := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-late:
			all := make([]byte, 1<<16)
			t.Fatalf("goroutines are left: %s", all[:runtime.Stack(all, true)])
		}
	}
}

func randomEvents(t *testing.T, open func(*testing.T, *cardtest.Readers) driver.Service) {
	readers := cardtest.NewReaders(nil, nil, nil)
	s := card.NewService(open(t, readers), nil)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	state := map[string]bool{} // whether a card is in it
	var watching sync.WaitGroup
	watching.Go(func() {
		for e, err := range s.Watch(ctx) {
			mu.Lock()
			present, there := state[e.Reader]
			switch {
			case err != nil:
				assert.ErrorIs(t, err, card.ErrNoService)
				assert.Empty(t, state)
			case e.Kind == card.ReaderAdded:
				assert.False(t, there)
				state[e.Reader] = false
			case e.Kind == card.ReaderRemoved:
				assert.True(t, there && !present)
				delete(state, e.Reader)
			case e.Kind == card.CardInserted:
				assert.True(t, there && !present)
				state[e.Reader] = true
			case e.Kind == card.CardRemoved:
				assert.True(t, present)
				state[e.Reader] = false
			}
			mu.Unlock()
		}
	})
	var changes sync.WaitGroup
	for i, name := range readers.Names() {
		soft, random := cardtest.PIV(), rand.New(rand.NewPCG(1, uint64(i)))
		changes.Go(func() {
			for range 100 {
				readers.Insert(name, soft)
				for range random.IntN(20) {
					runtime.Gosched()
				}
				readers.Remove(name)
				if random.IntN(10) == 0 {
					readers.Unplug(name)
					readers.Plug(name, nil)
				}
			}
			if i == 0 {
				readers.Insert(name, soft)
			}
		})
	}
	changes.Go(func() {
		for range 2 {
			readers.Stop()
			readers.Start()
		}
	})
	changes.Wait()
	readers.Plug("The last", nil)
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		_, last := state["The last"]
		return last && len(state) == 4
	}, 20*time.Second, time.Millisecond)
	list, err := s.Readers(t.Context())
	require.NoError(t, err)
	mu.Lock()
	for _, r := range list {
		assert.Equal(t, r.Present, state[r.Name], r.Name)
	}
	mu.Unlock()
	cancel()
	watching.Wait()
}

func TestEventKindString(t *testing.T) {
	for k := card.ReaderAdded; k <= card.CardReset; k++ {
		assert.Regexp(t, `^(reader|card) `, k.String())
	}
	assert.Equal(t, "event 0", card.EventKind(0).String())
	assert.Equal(t, "event 99", card.EventKind(99).String())
}

// A flappingService responds to one Wait and fails at the next.
type flappingService struct {
	driver.Service
	waits int
}

func (s *flappingService) Wait(context.Context, []driver.Reader) ([]driver.Reader, error) {
	if s.waits++; s.waits%2 == 0 {
		return nil, driver.ServiceStopped
	}
	return []driver.Reader{{Name: zero}}, nil
}

func (s *flappingService) Close() error { return nil }

func TestWatchBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(flappingService)
		s := card.NewService(d, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		for range s.Watch(ctx) {
		}
		assert.GreaterOrEqual(t, d.waits, 6)
		assert.LessOrEqual(t, d.waits, 20)
		require.NoError(t, s.Close())
	})
}

// A token is exchanged for another model and back before Watch looks again, while
// the service saw the other one: the Card that Watch yielded is not the current one.
func TestWatchReplacedTwice(t *testing.T) {
	watchReaders(t, []*cardtest.Card{token("a")}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		var events []card.Event
		var current *card.Card
		for e, err := range s.Watch(t.Context()) {
			require.NoError(t, err)
			events = append(events, e)
			if len(events) == 3 {
				break
			}
			if e.Kind != card.CardInserted {
				continue
			}
			for _, c := range []*cardtest.Card{cardtest.YubiKey("5.7.1"), token("c")} {
				readers.Replace(zero, c)
				current, err = s.Card(t.Context(), zero)
				require.NoError(t, err)
			}
		}
		assert.Equal(t, card.CardReset, events[2].Kind)
		assert.Same(t, current, events[2].Card)
		assert.NotSame(t, events[1].Card, current)
	})
}

// If the service does not report an exchange, Watch does once a transaction found it.
func TestWatchReplacedToken(t *testing.T) {
	watchReaders(t, []*cardtest.Card{token("a")}, func(t *testing.T, readers *cardtest.Readers, s *card.Service) {
		w := watch(t, s)
		w.next(1)
		c := (<-w.all).event.Card
		verify := func(c *card.Card) error {
			return c.DoWithPIN(t.Context(), tokenPIN(userEntering(cardtest.PIN).ask), nothing)
		}
		require.NoError(t, verify(c))
		readers.Replace(zero, token("b"))
		w.quiet()
		require.ErrorIs(t, verify(c), card.ErrChanged)
		removed, inserted := (<-w.all).event, (<-w.all).event
		assert.Equal(t, []card.EventKind{card.CardRemoved, card.CardInserted}, []card.EventKind{removed.Kind, inserted.Kind})
		assert.Same(t, c, removed.Card)
		require.NoError(t, verify(inserted.Card))
		w.quiet()
		w.end()
	})
}
