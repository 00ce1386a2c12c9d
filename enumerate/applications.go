package enumerate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// kinds returns the applications that are looked for, in this order. GIDS comes
// after PIV because asking for it can end a login to PIV.
func (f *Finder) kinds() []cardapp.Kind {
	return append([]cardapp.Kind{f.pivKind(), gidsKind}, f.more...)
}

// A cardState caches what was learned about one inserted card: a GIDS card that
// reports no change is not read again, and an application that a card does not
// have is not asked for again.
type cardState struct {
	card *card.Card
	apps []appState
	keys atomic.Int32 // that are open on the card
}

type appState struct {
	kind cardapp.Kind
	cardapp.Application
	absent atomic.Bool // the card said so, and has another one
}

// states has the cards that are in their readers.
type states struct {
	mu    sync.Mutex
	cards map[string]*cardState // by reader
}

// stateOf returns the state of a card.
func (f *Finder) stateOf(c *card.Card) *cardState {
	f.states.mu.Lock()
	defer f.states.mu.Unlock()
	s := f.states.cards[c.Reader()]
	if s == nil || s.card != c {
		kinds := f.kinds()
		s = &cardState{card: c, apps: make([]appState, len(kinds))}
		for i, k := range kinds {
			s.apps[i].kind, s.apps[i].Application = k, k.New(c)
		}
		if f.states.cards == nil {
			f.states.cards = make(map[string]*cardState)
		}
		f.states.cards[c.Reader()] = s
	}
	return s
}

// app returns the application of that name.
func (s *cardState) app(name string) cardapp.Application {
	for i := range s.apps {
		if s.apps[i].kind.Name == name {
			return s.apps[i].Application
		}
	}
	return nil
}

// read emits what is on a card, one application after the other.
func (f *Finder) read(ctx context.Context, c *card.Card, emit func(*Credential, error)) {
	s := f.stateOf(c)
	r := &cardReading{finder: f, state: s, emit: emit}
	for i := range s.apps {
		if s.apps[i].absent.Load() {
			r.absent = append(r.absent, &s.apps[i])
		} else if !r.readApplication(ctx, &s.apps[i]) {
			return
		}
	}
	unclear := errors.Join(r.unclear...)
	switch {
	case r.present == 0 && unclear != nil:
		r.fail(fmt.Errorf("%w: %w", ErrNoApplication, unclear))
	case r.present == 0:
		r.fail(ErrNoApplication)
	case unclear != nil:
		r.fail(unclear)
	default:
		for _, a := range r.absent {
			a.absent.Store(true)
		}
	}
}

// A cardReading is one reading of one card.
type cardReading struct {
	finder  *Finder
	state   *cardState
	emit    func(*Credential, error)
	present int         // applications that the card has
	absent  []*appState // that it said it does not have
	unclear []error     // why it is not clear whether it has one
}

func (r *cardReading) fail(err error) {
	r.emit(nil, inReader(r.state.card.Reader(), err))
}

// readApplication emits the credentials of one application. It reports whether it
// makes sense to ask for the next one.
func (r *cardReading) readApplication(ctx context.Context, a *appState) bool {
	absent := false
	for e, err := range a.Entries(ctx) {
		switch {
		case err == nil:
			r.emit(r.finder.credential(r.state, a, e), nil)
		case fault.ReachOf(err) == fault.Application:
			absent = true
			r.absent = append(r.absent, a)
		case errors.Is(err, a.kind.Absent):
			absent = true
			r.unclear = append(r.unclear, err)
		default:
			r.fail(err)
			if ctx.Err() != nil || fault.ReachOf(err) >= fault.Card {
				return false
			}
		}
	}
	if !absent {
		r.present++
	}
	return ctx.Err() == nil
}

// credential judges and names an entry.
func (f *Finder) credential(s *cardState, a *appState, e *cardapp.Entry) *Credential {
	spec := rules.KeySpec{Kind: rules.KeyExchange, Assumed: e.Assumed}
	if e.Signature {
		spec.Kind = rules.Signature
	}
	c := &Credential{
		Reader:      s.card.Reader(),
		Card:        e.Card,
		Application: Application(a.kind.Name),
		Container:   e.Container,
		Default:     e.Default,
		Name:        e.Name,
		KeySpec:     spec,
		Raw:         e.Raw,
		certificate: rules.Inspect(e.Raw),
		policy:      f.Policy,
		on:          &location{finder: f, kind: a.kind, entry: e, state: s},
	}
	c.Names = c.certificate.Names()
	c.Findings = c.certificate.Check(spec, f.Policy, f.now())
	return c
}
