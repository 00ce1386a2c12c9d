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

// An Event is a change that [Service.Watch] yields.
type Event struct {
	Kind   EventKind
	Reader string

	// Card is the card that was inserted, reset or removed. It is nil for events
	// of the reader, and for a mute card.
	Card *Card

	ATR  ATR  // of the card; nil if there is none
	Mute bool // the card does not answer to reset
}

// An EventKind is the kind of an [Event].
type EventKind int

const (
	ReaderAdded   EventKind = iota + 1
	ReaderRemoved           // after CardRemoved, if a card was in it
	CardInserted
	CardRemoved
	CardReset // nothing is selected or verified any more; the ATR may be another
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

// Watch yields the readers and cards that are present, as if they had just been added
// and inserted, and then each change, until ctx ends. It waits for the service to
// report changes and does not poll. Without readers it yields nothing and waits.
//
// Changes while the caller handles an event are combined: a card that was exchanged is
// removed and inserted, one that was inserted and removed is not reported.
//
// An error other than ErrClosed does not end the sequence. If the service is not
// running, all readers and cards are removed, and ErrNoService is yielded once. Watch
// then tries to reach the service, at least every two seconds. On Windows the service
// is stopped while no reader is connected.
//
// PC/SC does not report resets. CardReset is yielded if the ATR changes, and if a
// transaction finds that another program has reset a card that is held (see
// [Card.Hold]). If a transaction finds another card (see [Tx.Identify]), it is yielded
// as removal and insertion.
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

	yielded []driver.Reader  // the states that were yielded
	cards   map[string]*Card // of the cards in yielded that are not mute
	lastErr error            // the last error that was yielded, nil after a success

	mu     sync.Mutex         // guards the rest
	resets []*Card            // see yieldResets
	ends   []*Card            // found by transactions to be other cards
	wake   context.CancelFunc // ends the wait of look
}

// The start of a service is not reported, so Watch tries again and again. The pause
// grows while that fails, and while the service fails again soon after it started.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

func (w *watch) run(ctx context.Context) {
	pause := firstPause
	var failed time.Time // last
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
			w.lastErr = nil
			if !w.yieldChanges(now) || !w.yieldEnds() || !w.yieldResets() {
				return
			}
		}
	}
}

// sleep waits until d has passed or ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// look waits until the readers differ from those that were yielded, or a transaction
// has something to report. It does not run while the caller handles an event, so the
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
	if resets || ends {
		now, err = s.driver.Readers(ctx)
	} else {
		now, err = s.driver.Wait(waiting, w.yielded)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, contextError(ctx)
	case err != nil && waiting.Err() != nil:
		return w.yielded, nil
	}
	return now, err
}

// fail yields an error, unless it was the last one that was yielded. It reports whether
// to go on.
func (w *watch) fail(err error) bool {
	noService := errors.Is(err, ErrNoService)
	if noService && !w.yieldChanges(nil) {
		return false
	}
	before := w.lastErr
	w.lastErr = err
	if before != nil && (before.Error() == err.Error() || noService && errors.Is(before, ErrNoService)) {
		return true
	}
	return w.yield(Event{}, wrap("", "watch readers", err))
}

// yieldChanges yields the differences to the states that were yielded, removals first.
func (w *watch) yieldChanges(now []driver.Reader) bool {
	before := w.yielded
	w.yielded = now
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

// sameInsertion reports whether the card in a reader was not removed in between.
func sameInsertion(a, b driver.Reader) bool {
	return a.Present && b.Present && a.Events == b.Events
}

// removed yields the removal of the card that was in a reader.
func (w *watch) removed(r driver.Reader) bool {
	c := w.cards[r.Name]
	delete(w.cards, r.Name)
	if c != nil {
		c.end(ErrRemoved)
	}
	return w.yield(Event{Kind: CardRemoved, Reader: r.Name, Card: c, ATR: r.ATR, Mute: r.Mute}, nil)
}

// present yields an event of a card that is in a reader.
func (w *watch) present(kind EventKind, r driver.Reader) bool {
	delete(w.cards, r.Name)
	e := Event{Kind: kind, Reader: r.Name, ATR: r.ATR, Mute: r.Mute}
	if !r.Mute {
		e.Card = w.service.card(r)
		w.cards[r.Name] = e.Card
	}
	return w.yield(e, nil)
}

// yieldResets yields the resets that transactions or a change of the ATR showed, of
// cards that are still present.
func (w *watch) yieldResets() bool {
	w.mu.Lock()
	resets := w.resets
	w.resets = nil
	w.mu.Unlock()
	for _, c := range resets {
		r, there := find(w.yielded, c.reader)
		if w.cards[c.reader] != c || !there {
			continue
		}
		if !w.present(CardReset, r) {
			return false
		}
	}
	return true
}

// yieldEnds yields the removal and insertion of cards that transactions found to be
// other ones, although the service reports no change.
func (w *watch) yieldEnds() bool {
	w.mu.Lock()
	ends := w.ends
	w.ends = nil
	w.mu.Unlock()
	for _, c := range ends {
		r, there := find(w.yielded, c.reader)
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

// noteEnd makes the next call of Card return a new one for the reader, and wakes the
// watches.
func (s *Service) noteEnd(c *Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cards[c.reader] == c {
		delete(s.cards, c.reader)
	}
	s.wakeWatches(func(w *watch) { w.ends = append(w.ends, c) })
}

// noteReset wakes the watches because another program reset a card.
func (s *Service) noteReset(c *Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeWatches(func(w *watch) { w.addReset(c) })
}

// addReset adds a card once: the caller may handle an event for long.
func (w *watch) addReset(c *Card) {
	if !slices.Contains(w.resets, c) {
		w.resets = append(w.resets, c)
	}
}

// wakeWatches ends the waits of the watches after note has told each of them why.
// The caller holds the mutex of s.
func (s *Service) wakeWatches(note func(*watch)) {
	for w := range s.watches {
		w.mu.Lock()
		note(w)
		if w.wake != nil {
			w.wake()
		}
		w.mu.Unlock()
	}
}
