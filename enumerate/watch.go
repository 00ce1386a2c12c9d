package enumerate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card"
)

// An Event is a credential that appeared, or one that did and is gone.
type Event struct {
	Gone       bool
	Credential *Credential // the same when it appears and when it is gone
}

// Watch yields the credentials on all cards as [Finder.All] does, then those of
// each card that is inserted, and those that go with a card that is removed,
// until ctx ends; see [card.Service.Watch]. It asks for no PIN.
//
// An error is about one reader, one certificate or the service, and does not end
// the sequence, but for [card.ErrClosed]. Where a card cannot be read because
// another program is in the way, that is told once, and the card is read when the
// other is done. Nothing is told while there is no reader or no card.
//
// What is written to a card while it stays in its reader shows when it is
// inserted again.
func (f *Finder) Watch(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		w := &watch{
			finder:   f,
			yield:    yield,
			events:   make(chan event),
			found:    make(chan finding),
			readings: make(map[string]*reading),
		}
		defer w.running.Wait()
		defer cancel()
		w.running.Go(func() { w.listen(ctx) })
		w.run(ctx)
	}
}

// A watch is one run of Watch. What follows yield is between its goroutines,
// which never wait for longer than its context lasts.
type watch struct {
	finder   *Finder
	yield    func(Event, error) bool
	readings map[string]*reading // of the cards that are there, by reader

	running sync.WaitGroup
	events  chan event   // closed when there will be none
	found   chan finding // on cards
}

// An event is what the service tells.
type event struct {
	card.Event
	err error
}

// A reading is that of one card.
type reading struct {
	card        *card.Card
	cancel      context.CancelFunc // nil once the card is gone
	credentials []*Credential      // that appeared
}

// A finding is what a reading found.
type finding struct {
	on *reading
	result
}

// listen passes on what the service tells.
func (w *watch) listen(ctx context.Context) {
	defer close(w.events)
	for e, err := range w.finder.Service.Watch(ctx) {
		select {
		case w.events <- event{e, err}:
		case <-ctx.Done():
		}
	}
}

func (w *watch) run(ctx context.Context) {
	for {
		more := false
		select {
		case e, open := <-w.events:
			more = open && ctx.Err() == nil && w.change(ctx, e)
		case it := <-w.found:
			more = ctx.Err() == nil && w.result(it)
		}
		if !more {
			return
		}
	}
}

// change does what an event asks for. It reports whether the caller wants more.
func (w *watch) change(ctx context.Context, e event) bool {
	switch {
	case e.err != nil:
		return w.yield(Event{}, fmt.Errorf("enumerate: %w", e.err))
	case e.Kind == card.CardRemoved:
		return w.gone(e.Reader)
	case e.Kind == card.CardReset:
		if r := w.readings[e.Reader]; r != nil && r.card == e.Card {
			return true // it holds what it held
		}
		return w.gone(e.Reader) && w.inserted(ctx, e)
	case e.Kind == card.CardInserted:
		return w.inserted(ctx, e)
	}
	return true
}

func (w *watch) inserted(ctx context.Context, e event) bool {
	if e.Mute {
		return w.yield(Event{}, inReader(e.Reader, card.ErrMute))
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{card: e.Card, cancel: cancel}
	w.readings[e.Reader] = r
	w.running.Go(func() { w.read(ctx, r) })
	return true
}

func (w *watch) gone(reader string) bool {
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

func (w *watch) result(it finding) bool {
	switch {
	case it.on.cancel == nil:
		return true
	case it.err != nil:
		return w.yield(Event{}, it.err)
	}
	it.on.credentials = append(it.on.credentials, it.credential)
	return w.yield(Event{Credential: it.credential}, nil)
}

// read reads a card, again as long as another program gets in the way.
func (w *watch) read(ctx context.Context, r *reading) {
	told := make(map[string]bool)
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		again := false
		w.finder.read(ctx, r.card, func(it result) {
			again = again || errors.Is(it.err, card.ErrBusy) || errors.Is(it.err, card.ErrReset)
			if told[it.name()] || vanished(it.err) {
				return
			}
			told[it.name()] = true
			select {
			case w.found <- finding{r, it}:
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

// name tells a result from all others on one card.
func (it result) name() string {
	if it.err != nil {
		return it.err.Error()
	}
	return fmt.Sprintf("%s %s", it.credential.Application, it.credential.Container)
}

// vanished reports whether an error says what the service tells of, too.
func vanished(err error) bool {
	for _, e := range []error{card.ErrRemoved, card.ErrChanged, card.ErrNoCard, card.ErrNoReader, card.ErrNoService, card.ErrClosed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
