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
// after PIV because a SELECT of GIDS can end the verification of a PIV PIN.
func (f *Finder) kinds() []cardapp.Kind {
	return append([]cardapp.Kind{f.pivKind(), gidsKind}, f.more...)
}

// A cardState caches what was learned about one inserted card: the certificates of
// a GIDS card, and which applications the card does not have.
type cardState struct {
	card *card.Card
	apps []appState
	keys atomic.Int32 // open keys on the card
}

type appState struct {
	kind cardapp.Kind
	cardapp.Application
	present atomic.Bool // the card has it
	absent  atomic.Bool // the card does not have it, and has another one
}

// states holds the state of each card that is in a reader.
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

// app returns the application with that name, nil if there is none.
func (s *cardState) app(name string) cardapp.Application {
	if a := s.appState(name); a != nil {
		return a.Application
	}
	return nil
}

func (s *cardState) appState(name string) *appState {
	for i := range s.apps {
		if s.apps[i].kind.Name == name {
			return &s.apps[i]
		}
	}
	return nil
}

// read emits the credentials on a card, one application after the other. A card
// without any of the applications is an error; a status that leaves open whether an
// application is there is an error beside the credentials of another one.
//
// While a key on the card is open, an application that was not seen on it is not looked
// for: on some cards a SELECT that fails ends the verification of the PIN.
func (f *Finder) read(ctx context.Context, c *card.Card, emit func(*Credential, error)) {
	s := f.stateOf(c)
	r := &cardReading{finder: f, state: s, emit: emit}
	var skipped []*appState
	for i := range s.apps {
		a := &s.apps[i]
		switch {
		case a.absent.Load():
			skipped = append(skipped, a)
		case s.keys.Load() > 0 && !a.present.Load():
		case !r.readApplication(ctx, a):
			return
		}
	}
	if r.present == 0 { // then it is another card, which the service did not report
		for _, a := range skipped {
			a.absent.Store(false)
			if !r.readApplication(ctx, a) {
				return
			}
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
	present int         // number of applications on the card
	absent  []*appState // applications that are not on the card
	unclear []error     // why an application may or may not be on the card
}

func (r *cardReading) fail(err error) {
	r.emit(nil, inReader(r.state.card.Reader(), err))
}

// readApplication emits the credentials of one application. It reports whether the
// next one can be read.
func (r *cardReading) readApplication(ctx context.Context, a *appState) bool {
	absent := false
	for e, err := range a.Entries(ctx) {
		switch {
		case err == nil:
			a.present.Store(true)
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
		a.present.Store(true)
	}
	return ctx.Err() == nil
}

// credential judges and names an entry.
func (f *Finder) credential(s *cardState, a *appState, e *cardapp.Entry) *Credential {
	spec := rules.KeySpec{Kind: rules.KeyExchange, Assumed: e.Assumed}
	if e.Signature {
		spec.Kind = rules.Signature
	}
	memory := new(struct { // a single allocation
		credential Credential
		on         location
	})
	c := &memory.credential
	*c = Credential{
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
		on:          &memory.on,
	}
	l := c.on
	l.finder, l.kind, l.entry, l.state, l.identity = f, a.kind, e, s, e.Card
	c.Names = c.certificate.Names()
	c.Findings = c.certificate.Check(spec, f.Policy, f.now())
	return c
}
