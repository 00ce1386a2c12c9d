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

// An Event reports a credential that appeared, or one that did and is gone.
type Event struct {
	Gone       bool
	Credential *Credential // the same pointer when it appears and when it is gone
}

// Watch yields the credentials on all cards as [Finder.All] does, then those of each
// card that is inserted, and those that go with a card that is removed, until ctx
// ends; see [card.Service.Watch]. It asks for no PIN.
//
// An error is about one reader, one certificate or the service, and does not end
// the sequence, except for [card.ErrClosed]. If a card cannot be read because another
// program uses it, that is yielded once, and the card is read when the other program
// is done. While there is no reader or no card, nothing is yielded.
//
// What is written to a card while it stays in its reader shows when it is inserted
// again.
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

// A watch is one run of Watch. The fields after yield are shared by its goroutines,
// none of which waits for longer than its context.
type watch struct {
	finder   *Finder
	yield    func(Event, error) bool
	readings map[string]*reading // of the cards that are there, by reader

	running sync.WaitGroup
	events  chan serviceEvent // closed after the last one
	results chan readingResult
}

// A serviceEvent is an element of card.Service.Watch.
type serviceEvent struct {
	card.Event
	err error
}

// A reading is that of one card.
type reading struct {
	card        *card.Card
	cancel      context.CancelFunc // nil once the card is gone
	credentials []*Credential      // that were yielded
}

// A readingResult is a credential or an error of one reading.
type readingResult struct {
	of         *reading
	credential *Credential
	err        error
}

// listen passes on the events of the service.
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

// handle reports whether the caller wants more.
func (w *watch) handle(ctx context.Context, e serviceEvent) bool {
	switch {
	case e.err != nil:
		return w.yield(Event{}, fmt.Errorf("enumerate: %w", e.err))
	case e.Kind == card.CardRemoved:
		return w.remove(e.Reader)
	case e.Kind == card.CardReset:
		if r := w.readings[e.Reader]; r != nil && r.card == e.Card {
			return true // it holds what it held
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

// How long a card that another program uses is left alone.
const (
	firstRetry   = time.Second
	longestRetry = 30 * time.Second
)

// read reads a card, again while another program prevents it. Each result is passed
// on once.
func (w *watch) read(ctx context.Context, r *reading) {
	passedOn := make(map[string]bool)
	for pause := firstRetry; ; pause = min(2*pause, longestRetry) {
		again := false
		w.finder.read(ctx, r.card, func(c *Credential, err error) {
			again = again || errors.Is(err, card.ErrBusy) || errors.Is(err, card.ErrReset)
			key := resultKey(c, err)
			if passedOn[key] || err != nil && fault.ReachOf(err) >= fault.Reader {
				return // the service reports what became of the card
			}
			passedOn[key] = true
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

// resultKey tells a result from all others of one card.
func resultKey(c *Credential, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s", c.Application, c.Container)
}
