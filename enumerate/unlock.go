package enumerate

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// A location is where the key of a credential is.
type location struct {
	finder *Finder
	kind   cardapp.Kind
	entry  *cardapp.Entry

	mu       sync.Mutex    // guards what follows
	state    *cardState    // of the card that it was found on last
	identity card.Identity // of that card, once it was unlocked
}

// Unlock opens the key of the certificate. It first makes sure that the card still
// holds this certificate. If the card was removed, the reader it was in, then the
// others, are searched for a card with the certificate in the same container; cards
// with an open key are left alone. If there is none, the error wraps
// [card.ErrChanged] or [card.ErrRemoved], and no PIN was asked for. Then ask is
// called for the PIN, as [piv.Card.Key] says: now, or before each use if the card
// wants that.
//
// ctx bounds this call and its prompt. The card stays powered, and the key works,
// until it is closed; [Key.WithContext] bounds a use.
func (c *Credential) Unlock(ctx context.Context, ask card.PINFunc) (*Key, error) {
	key, err := c.unlock(ctx, ask)
	if err != nil {
		return nil, c.fail("unlock", err)
	}
	return key, nil
}

func (c *Credential) unlock(ctx context.Context, ask card.PINFunc) (*Key, error) {
	public, err := c.inspected().PublicKey()
	if err != nil {
		return nil, err
	}
	if c.on == nil {
		return c.openForeign(ctx, public, ask)
	}
	l := c.on
	var asked atomic.Bool // the card has the certificate
	if ask != nil {
		ask = l.titled(c.Title(), ask, &asked)
	}
	l.mu.Lock()
	state := l.state
	l.mu.Unlock()
	key, first := l.open(ctx, state, public, ask)
	if first == nil {
		return newCardKey(c, key, state), nil
	}
	if asked.Load() || ctx.Err() != nil || fault.ReachOf(first) != fault.Reader {
		return nil, first
	}
	others := l.others(ctx)
	for _, other := range others {
		key, err := l.open(ctx, other, public, ask)
		if err == nil {
			l.moved(other)
			return newCardKey(c, key, other), nil
		}
		if asked.Load() || ctx.Err() != nil {
			return nil, err
		}
	}
	if len(others) > 0 && !errors.Is(first, card.ErrChanged) {
		first = fmt.Errorf("%w: %w", card.ErrChanged, first) // there are cards, and none is the one
	}
	return nil, first
}

// open opens the key on the card of state.
func (l *location) open(ctx context.Context, state *cardState, public crypto.PublicKey, ask card.PINFunc) (cardapp.Key, error) {
	app := state.app(l.kind.Name)
	if app == nil {
		return cardapp.Key{}, card.ErrChanged // the Finder changed its applications
	}
	if prover, ok := app.(cardapp.Prover); ok && l.finder.Prove {
		if err := prover.Prove(ctx, l.entry); err != nil {
			return cardapp.Key{}, err
		}
	}
	return app.Open(ctx, l.entry, public, ask)
}

// titled returns ask with the title of the credential in each request. It reports
// in asked that it was called, and refuses a card that was once another.
func (l *location) titled(title string, ask card.PINFunc, asked *atomic.Bool) card.PINFunc {
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		l.mu.Lock()
		before := l.identity
		if before.IsZero() {
			l.identity = r.Card
		}
		l.mu.Unlock()
		if !before.IsZero() && before != r.Card {
			return card.PIN{}, fmt.Errorf("%w: it is %v, not %v", card.ErrChanged, r.Card, before)
		}
		asked.Store(true)
		r.Title = title
		return ask(ctx, r)
	}
}

// others returns the cards that may be the one of l, the one in its old reader
// first. Cards with an open key are not among them.
func (l *location) others(ctx context.Context) []*cardState {
	l.mu.Lock()
	old := l.state
	l.mu.Unlock()
	readers, err := l.finder.occupied(ctx)
	if err != nil {
		return nil
	}
	var list []*cardState
	for _, name := range readers {
		c, err := l.finder.Service.Card(ctx, name)
		if err != nil || c == old.card {
			continue
		}
		state := l.finder.stateOf(c)
		switch {
		case state.keys.Load() > 0:
		case name == old.card.Reader():
			list = append([]*cardState{state}, list...)
		default:
			list = append(list, state)
		}
	}
	return list
}

func (l *location) moved(to *cardState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = to
}

var errNoCard = fmt.Errorf("%w: the key is not on a card that this module reads", errors.ErrUnsupported)

// application returns the application that the credential is in.
func (l *location) application() (cardapp.Application, error) {
	if l == nil {
		return nil, errNoCard
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if app := l.state.app(l.kind.Name); app != nil {
		return app, nil
	}
	return nil, card.ErrChanged
}
