package card

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// An Event is a change that [Service.Watch] tells of.
type Event struct {
	Kind   EventKind
	Reader string

	// Card is the card that came, was reset or went, nil where the event is
	// about the reader alone or the card is mute. It is that very card: where
	// another one has taken its place, its use ends with ErrChanged.
	Card *Card

	ATR  ATR  // of the card; nil where there is none
	Mute bool // there is a card, and it does not answer
}

// An EventKind says what happened.
type EventKind int

const (
	ReaderAdded   EventKind = iota + 1
	ReaderRemoved           // after CardRemoved, if a card was in it
	CardInserted
	CardRemoved
	CardReset // selection and PIN state are gone; the ATR may be another
)

var eventText = [...]string{
	ReaderAdded:   "reader added",
	ReaderRemoved: "reader removed",
	CardInserted:  "card inserted",
	CardRemoved:   "card removed",
	CardReset:     "card reset",
}

func (k EventKind) String() string {
	if k < ReaderAdded || int(k) >= len(eventText) {
		return fmt.Sprintf("event %d", int(k))
	}
	return eventText[k]
}

// Watch yields the readers and cards that are there, as if they came just now,
// and then each change, until ctx ends. It waits for the service to tell, and
// does not ask it again and again. Where there is nothing, it yields nothing and
// waits.
//
// What happens while the caller looks at an event comes next, summed up: a card
// that was swapped is removed and inserted, one that came and went is not told.
//
// An error does not end the sequence, but for ErrClosed. When the service stops,
// or is not there at first, everything that was there is removed, and ErrNoService
// comes once; from then on the service is looked for, at least every two seconds,
// and what it has when it is back is told. On Windows the service is stopped
// while no reader is connected.
//
// PC/SC does not tell of resets. CardReset comes where the card answers otherwise
// than before, and where a section finds out that somebody has reset a card that
// is held (see [Card.Hold]).
func (s *Service) Watch(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := &watch{service: s, yield: yield, cards: make(map[string]*Card)}
		s.join(w)
		defer s.part(w)
		w.run(ctx)
	}
}

// A watch is one run of Watch.
type watch struct {
	service *Service
	yield   func(Event, error) bool

	known []driver.Reader  // what the caller knows of
	cards map[string]*Card // of the cards in known that are not mute
	told  error            // the last error, until all is well again

	mu     sync.Mutex // guards what follows
	resets []*Card    // noticed by transactions
	ends   []*Card    // found to be other cards by transactions
	wake   context.CancelFunc
}

// Nothing reports that a service starts, so it is looked for. The pause grows while
// that fails, and while the service fails again soon after it came back.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

func (w *watch) run(ctx context.Context) {
	pause := firstPause
	var failed time.Time // the last time
	for {
		now, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrClosed):
			w.yield(Event{}, wrap("", "watch readers", err))
			return
		case err != nil:
			if time.Since(failed) > 2*longestPause {
				pause = firstPause
			}
			if !w.fail(named(err)) {
				return
			}
			sleep(ctx, pause)
			pause = min(2*pause, longestPause)
			failed = time.Now()
		default:
			w.told = nil
			if !w.tell(now) || !w.tellEnds() || !w.tellResets() {
				return
			}
		}
	}
}

// sleep waits, not longer than ctx lasts.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// look waits for the readers to differ from what is known, or for a section to
// come upon a reset. It does not run while the caller looks at an event, so the
// caller can close the service.
func (w *watch) look(ctx context.Context) ([]driver.Reader, error) {
	s := w.service
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.running.Done()
	ctx, cancel := s.until(ctx)
	defer cancel()
	waiting, wake := context.WithCancel(ctx)
	defer wake()
	w.mu.Lock()
	w.wake = wake
	resets, ends := len(w.resets) > 0, len(w.ends) > 0
	w.mu.Unlock()
	var now []driver.Reader
	var err error
	switch {
	case ends:
		now, err = s.driver.Readers(ctx)
	case resets:
		return w.known, nil
	default:
		now, err = s.driver.Wait(waiting, w.known)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, contextError(ctx)
	case err != nil && waiting.Err() != nil:
		return w.known, nil
	}
	return now, err
}

// fail tells an error that the caller does not know of yet. It reports whether
// the caller wants more.
func (w *watch) fail(err error) bool {
	noService := errors.Is(err, ErrNoService)
	if noService && !w.tell(nil) {
		return false
	}
	before := w.told
	w.told = err
	if before != nil && (before.Error() == err.Error() || noService && errors.Is(before, ErrNoService)) {
		return true
	}
	return w.yield(Event{}, wrap("", "watch readers", err))
}

// tell yields what is different now, first what went.
func (w *watch) tell(now []driver.Reader) bool {
	before := w.known
	w.known = now
	for _, r := range before {
		n, there := find(now, r.Name)
		if r.Present && (!there || !sameInsertion(r, n)) && !w.removed(r) {
			return false
		}
		if !there && !w.yield(Event{Kind: ReaderRemoved, Reader: r.Name}, nil) {
			return false
		}
	}
	for _, n := range now {
		r, there := find(before, n.Name)
		if !there && !w.yield(Event{Kind: ReaderAdded, Reader: n.Name}, nil) {
			return false
		}
		switch {
		case !n.Present:
		case !there || !sameInsertion(r, n):
			if !w.present(CardInserted, n) {
				return false
			}
		case r.Mute != n.Mute || !bytes.Equal(r.ATR, n.ATR):
			if !w.present(CardReset, n) {
				return false
			}
		}
	}
	return true
}

func find(list []driver.Reader, name string) (driver.Reader, bool) {
	for _, r := range list {
		if r.Name == name {
			return r, true
		}
	}
	return driver.Reader{}, false
}

// sameInsertion reports whether the card in a reader has not been out of it.
func sameInsertion(a, b driver.Reader) bool {
	return a.Present && b.Present && a.Events == b.Events
}

func (w *watch) removed(r driver.Reader) bool {
	c := w.cards[r.Name]
	delete(w.cards, r.Name)
	if c != nil {
		c.end(ErrRemoved)
	}
	return w.yield(Event{Kind: CardRemoved, Reader: r.Name, Card: c, ATR: r.ATR, Mute: r.Mute}, nil)
}

// present tells of a card that is in a reader.
func (w *watch) present(kind EventKind, r driver.Reader) bool {
	delete(w.cards, r.Name)
	e := Event{Kind: kind, Reader: r.Name, ATR: r.ATR, Mute: r.Mute}
	if !r.Mute {
		e.Card = w.service.card(r)
		w.cards[r.Name] = e.Card
	}
	return w.yield(e, nil)
}

// tellResets yields the resets that sections came upon, of cards that are still
// there.
func (w *watch) tellResets() bool {
	w.mu.Lock()
	resets := w.resets
	w.resets = nil
	w.mu.Unlock()
	for _, c := range resets {
		now := w.cards[c.reader]
		if now != c {
			continue
		}
		if !w.yield(Event{Kind: CardReset, Reader: now.reader, Card: now, ATR: now.atr}, nil) {
			return false
		}
	}
	return true
}

// tellEnds yields the cards that transactions found to be other ones, although the
// service reports no change.
func (w *watch) tellEnds() bool {
	w.mu.Lock()
	ends := w.ends
	w.ends = nil
	w.mu.Unlock()
	for _, c := range ends {
		r, there := find(w.known, c.reader)
		if w.cards[c.reader] != c || !there {
			continue
		}
		if !w.removed(r) || !w.present(CardInserted, r) {
			return false
		}
	}
	return true
}

func (s *Service) join(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watches == nil {
		s.watches = make(map[*watch]struct{})
	}
	s.watches[w] = struct{}{}
}

func (s *Service) part(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches, w)
}

// noteEnd makes Card return another Card for the reader, and wakes the watches.
func (s *Service) noteEnd(c *Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cards[c.reader] == c {
		delete(s.cards, c.reader)
	}
	for w := range s.watches {
		w.mu.Lock()
		w.ends = append(w.ends, c)
		if w.wake != nil {
			w.wake()
		}
		w.mu.Unlock()
	}
}

// noteReset wakes the watches because another program reset a card.
func (s *Service) noteReset(c *Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watches {
		w.mu.Lock()
		if !slices.Contains(w.resets, c) { // the caller may be busy for long
			w.resets = append(w.resets, c)
		}
		if w.wake != nil {
			w.wake()
		}
		w.mu.Unlock()
	}
}
