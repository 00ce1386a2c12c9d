package enumerate

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
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
	state    *cardState    // of the card
	identity card.Identity // of the card; zero until it is read
}

// Unlock opens the key of the certificate. It compares the certificate on the card
// with the listed one, then calls ask for the PIN: once, or before each use of the
// key if the card requires that, as PIV cards do for slot 9C. A nil ask opens keys
// that need no PIN.
//
// If the card was removed since, Unlock searches its old reader, then the others,
// for the same card. It skips cards on which a key of the Finder is open. If the
// card is not found, the error wraps [card.ErrChanged], [card.ErrRemoved] or
// [card.ErrNoCard], and ask was not called.
//
// ctx bounds this call and its prompt, but not the key: that works until
// [Key.Close], and [Key.WithContext] bounds a use. Until then the card stays
// powered, and the PIN verified.
func (c *Credential) Unlock(ctx context.Context, ask card.PINFunc) (*Key, error) {
	public, err := c.inspected().PublicKey()
	if err != nil {
		return nil, c.fail("unlock", err)
	}
	if c.on == nil {
		key, err := c.openWithKey(ctx, public, ask)
		return key, c.fail("unlock", err)
	}
	key, err := c.unlock(ctx, public, ask)
	return key, inReader(c.Reader, err)
}

// unlock opens a key on a card.
func (c *Credential) unlock(ctx context.Context, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	l := c.on
	var asked atomic.Bool // then the card has the certificate
	if ask != nil {
		ask = l.withTitle(c.Title(), ask, &asked)
	}
	l.mu.Lock()
	state := l.state
	l.mu.Unlock()
	present := l.isPresent(ctx, state)
	key, first := l.open(ctx, state, public, ask)
	if first == nil {
		return newCardKey(c, key, state), nil
	}
	if asked.Load() || ctx.Err() != nil || fault.ReachOf(first) != fault.Reader {
		return nil, first
	}
	if present && !errors.Is(first, card.ErrChanged) {
		return nil, first // it went meanwhile: a card in its place is not what the caller means
	}
	tried := map[*card.Card]bool{state.card: true}
	for _, reader := range l.readers(ctx) {
		// The second time, if the card was found to be another than the service
		// reports.
		for range 2 {
			other := l.stateIn(ctx, reader)
			if other == nil || tried[other.card] {
				break
			}
			tried[other.card] = true
			key, err := l.openAgain(ctx, other, public, ask)
			if err == nil {
				l.moveTo(other)
				return newCardKey(c, key, other), nil
			}
			if asked.Load() || ctx.Err() != nil {
				return nil, err
			}
		}
	}
	if len(tried) > 1 && !errors.Is(first, card.ErrChanged) {
		first = fmt.Errorf("%w: %w", card.ErrChanged, first)
	}
	return nil, first
}

// isPresent reports whether the service still reports the card of state.
func (l *location) isPresent(ctx context.Context, state *cardState) bool {
	c, err := l.finder.Service.Card(ctx, state.card.Reader())
	return err == nil && c == state.card
}

// openAgain opens the key on a card that was inserted after the credential was
// listed, if it is the same card.
func (l *location) openAgain(ctx context.Context, state *cardState, public crypto.PublicKey, ask card.PINFunc) (cardapp.Key, error) {
	l.mu.Lock()
	want := l.identity
	l.mu.Unlock()
	if i, ok := state.app(l.kind.Name).(cardapp.Identifier); ok && !want.IsZero() {
		// Until the key is closed, package card makes sure that it stays this card.
		id, err := i.Identity(ctx)
		if err != nil {
			return cardapp.Key{}, err
		}
		if id != want {
			return cardapp.Key{}, fmt.Errorf("%w: it is %v, not %v", card.ErrChanged, id, want)
		}
	}
	return l.open(ctx, state, public, ask)
}

// open opens the key on the card of state.
func (l *location) open(ctx context.Context, state *cardState, public crypto.PublicKey, ask card.PINFunc) (cardapp.Key, error) {
	app := state.app(l.kind.Name)
	if app == nil {
		return cardapp.Key{}, card.ErrChanged // tests add applications later
	}
	if prover, ok := app.(cardapp.Prover); ok && l.finder.Prove {
		if err := prover.Prove(ctx, l.entry); err != nil {
			return cardapp.Key{}, err
		}
	}
	return app.Open(ctx, l.entry, public, ask)
}

// withTitle returns ask with the title of the credential in each request. It sets
// asked when it is called, and refuses a card other than the one of l.
func (l *location) withTitle(title string, ask card.PINFunc, asked *atomic.Bool) card.PINFunc {
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		l.mu.Lock()
		want := l.identity
		if want.IsZero() {
			l.identity = r.Card
		}
		l.mu.Unlock()
		if !want.IsZero() && want != r.Card {
			return card.PIN{}, fmt.Errorf("%w: it is %v, not %v", card.ErrChanged, r.Card, want)
		}
		asked.Store(true)
		r.Title = title
		return ask(ctx, r)
	}
}

// readers returns the readers that have a card in them, the old one of the credential
// first.
func (l *location) readers(ctx context.Context) []string {
	names, err := l.finder.occupied(ctx)
	if err != nil {
		return nil // the first error is the one to report
	}
	l.mu.Lock()
	old := l.state.card.Reader()
	l.mu.Unlock()
	if i := slices.Index(names, old); i > 0 {
		names = append([]string{old}, slices.Delete(names, i, i+1)...)
	}
	return names
}

// stateIn returns the state of the card in a reader, nil if there is none or a key on
// it is open.
func (l *location) stateIn(ctx context.Context, reader string) *cardState {
	c, err := l.finder.Service.Card(ctx, reader)
	if err != nil {
		return nil
	}
	state := l.finder.stateOf(c)
	if state.keys.Load() > 0 {
		return nil
	}
	return state
}

func (l *location) moveTo(state *cardState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
}

var errNoCard = fmt.Errorf("%w: the key is not on a card", errors.ErrUnsupported)

// application returns the application of the credential; l may be nil.
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
