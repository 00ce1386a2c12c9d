package enumerate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// An Event is a change that [Finder.Watch] reports.
type Event struct {
	Gone       bool        // the card was removed
	Credential *Credential // the same pointer in both events of a credential
}

// Watch yields an Event for each credential that [Finder.All] would yield, then for
// those of each card that is inserted, and, with Gone set, for those of each card
// that is removed, until ctx ends. It asks for no PIN.
//
// An error is about one reader, one certificate or the service. It does not end the
// sequence, except for [card.ErrClosed]. If another program holds a card, Watch
// yields [card.ErrBusy] once and reads the card later. While there is no reader or
// no card, Watch yields nothing and waits.
//
// Changes of a card that stays in its reader are not reported until it is inserted
// again. What [card.Service.Watch] says about replaced cards applies here, too.
func (f *Finder) Watch(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if f.Service == nil {
			yield(Event{}, errNoService)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		w := &watch{
			finder:   f,
			yield:    yield,
			events:   make(chan serviceEvent),
			results:  make(chan readingResult),
			readings: make(map[string]*reading),
		}
		defer w.running.Wait()
		defer cancel()
		w.running.Go(func() { w.listen(ctx) })
		w.run(ctx)
	}
}

// A watch is one run of Watch. Its goroutines share the fields after readings; none
// of them outlives the context of the run.
type watch struct {
	finder   *Finder
	yield    func(Event, error) bool
	readings map[string]*reading // of the present cards, by reader

	running sync.WaitGroup
	events  chan serviceEvent // closed after the last one
	results chan readingResult
}

// A serviceEvent is an element of card.Service.Watch.
type serviceEvent struct {
	card.Event
	err error
}

// A reading is the reading of one card.
type reading struct {
	card        *card.Card
	cancel      context.CancelFunc // nil once the card was removed
	credentials []*Credential      // yielded so far
}

// A readingResult is a credential or an error of a reading.
type readingResult struct {
	of         *reading
	credential *Credential
	err        error
}

// listen forwards the events of the service.
func (w *watch) listen(ctx context.Context) {
	defer close(w.events)
	for e, err := range w.finder.Service.Watch(ctx) {
		select {
		case w.events <- serviceEvent{e, err}:
		case <-ctx.Done():
		}
	}
}

func (w *watch) run(ctx context.Context) {
	for {
		more := false
		select {
		case e, open := <-w.events:
			more = open && ctx.Err() == nil && w.handle(ctx, e)
		case r := <-w.results:
			more = ctx.Err() == nil && w.emit(r)
		}
		if !more {
			return
		}
	}
}

// handle handles an event of the service. It reports whether the caller wants more,
// as remove, insert and emit do.
func (w *watch) handle(ctx context.Context, e serviceEvent) bool {
	switch {
	case e.err != nil:
		return w.yield(Event{}, fmt.Errorf("enumerate: %w", e.err))
	case e.Kind == card.CardRemoved:
		return w.remove(e.Reader)
	case e.Kind == card.CardReset:
		if r := w.readings[e.Reader]; r != nil && r.card == e.Card {
			return true // a reset does not change the certificates
		}
		return w.remove(e.Reader) && w.insert(ctx, e)
	case e.Kind == card.CardInserted:
		return w.insert(ctx, e)
	}
	return true
}

func (w *watch) insert(ctx context.Context, e serviceEvent) bool {
	if e.Mute {
		return w.yield(Event{}, inReader(e.Reader, card.ErrMute))
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{card: e.Card, cancel: cancel}
	w.readings[e.Reader] = r
	w.running.Go(func() { w.read(ctx, r) })
	return true
}

func (w *watch) remove(reader string) bool {
	r := w.readings[reader]
	if r == nil {
		return true
	}
	delete(w.readings, reader)
	r.cancel()
	r.cancel = nil
	for _, c := range r.credentials {
		if !w.yield(Event{Gone: true, Credential: c}, nil) {
			return false
		}
	}
	return true
}

func (w *watch) emit(r readingResult) bool {
	switch {
	case r.of.cancel == nil:
		return true
	case r.err != nil:
		return w.yield(Event{}, r.err)
	}
	r.of.credentials = append(r.of.credentials, r.credential)
	return w.yield(Event{Credential: r.credential}, nil)
}

// The pause between readings of a card that another program holds.
const (
	firstRetry   = time.Second
	longestRetry = 30 * time.Second
)

// read reads a card, repeatedly while another program prevents it. It sends each
// result once.
func (w *watch) read(ctx context.Context, r *reading) {
	sent := make(map[resultKey]bool)
	for pause := firstRetry; ; pause = min(2*pause, longestRetry) {
		again := false
		w.finder.read(ctx, r.card, func(c *Credential, err error) {
			again = again || errors.Is(err, card.ErrBusy) || errors.Is(err, card.ErrReset)
			key := keyOf(c, err)
			if sent[key] || err != nil && fault.ReachOf(err) >= fault.Reader {
				return // an event of the service follows
			}
			sent[key] = true
			select {
			case w.results <- readingResult{r, c, err}:
			case <-ctx.Done():
			}
		})
		if !again {
			return
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}
