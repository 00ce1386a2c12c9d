package enumerate

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/piv"
)

func (f *Finder) pivKind() cardapp.Kind {
	return cardapp.Kind{
		Name:   string(PIV),
		Absent: piv.ErrNotPIV,
		New: func(c *card.Card) cardapp.Application {
			return &pivApplication{Card: piv.New(c), finder: f}
		},
	}
}

// A pivApplication is the PIV application for a Finder.
type pivApplication struct {
	*piv.Card
	finder *Finder

	mu     sync.Mutex       // guards what follows
	cached []*cardapp.Entry // a complete listing, with Finder.Cache; nil if there is none
	of     card.Identity    // of the card of cached
}

// cache keeps a complete listing of the card with that identity, or forgets the one
// that is kept.
func (a *pivApplication) cache(entries []*cardapp.Entry, id card.Identity) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cached, a.of = entries, id
}

// cachedOf returns the listing of the card with that identity, nil if there is none.
func (a *pivApplication) cachedOf(id card.Identity) []*cardapp.Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	if id.IsZero() || id != a.of {
		return nil
	}
	return a.cached
}

// A pivHandle is the Handle of an entry. The entries of one listing share cardKey.
type pivHandle struct {
	certificate *piv.Certificate
	cardKey     *cardKey
}

// A cardKey is the key in the Card Authentication certificate of the card that was
// listed. It is set after entries that are read before that certificate.
type cardKey struct {
	mu     sync.Mutex
	public crypto.PublicKey // nil while no certificate was read
}

func (k *cardKey) set(certificate []byte) {
	public, err := cert.PublicKey(certificate)
	if err != nil {
		return // a certificate without a readable key proves nothing
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.public = public
}

func (k *cardKey) get() crypto.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.public
}

func (a *pivApplication) Entries(ctx context.Context) iter.Seq2[*cardapp.Entry, error] {
	return func(yield func(*cardapp.Entry, error) bool) {
		var id card.Identity
		if a.finder.Identify || a.finder.Cache {
			var err error
			if id, err = a.Identity(ctx); err != nil {
				yield(nil, err)
				return
			}
		}
		if a.finder.Cache {
			if cached := a.cachedOf(id); cached != nil {
				for _, e := range cached {
					if !yield(e, nil) {
						return
					}
				}
				return
			}
		}
		complete, entries := true, []*cardapp.Entry{} // empty is a listing, too
		first, key := true, new(cardKey)
		for c, err := range a.Certificates(ctx, a.finder.Scan) {
			if err != nil {
				complete = false
				if !yield(nil, err) {
					return
				}
				continue
			}
			if c.Slot == piv.CardAuthentication {
				key.set(c.Raw)
			}
			assumed := fmt.Sprintf("PIV slot %02X", byte(c.Slot))
			container := assumed[len("PIV slot "):]
			e := &cardapp.Entry{
				Container: container,
				Default:   first,
				Signature: c.Slot == piv.Signature,
				Assumed:   assumed,
				Raw:       c.Raw,
				Card:      id,
				Handle:    pivHandle{c, key},
			}
			first = false
			if a.finder.Cache {
				entries = append(entries, e)
			}
			if !yield(e, nil) {
				return
			}
		}
		if a.finder.Cache && complete && ctx.Err() == nil {
			a.cache(entries, id)
		}
	}
}

func (a *pivApplication) Open(ctx context.Context, e *cardapp.Entry, _ crypto.PublicKey, ask card.PINFunc) (cardapp.Key, error) {
	k, err := a.KeyFor(ctx, e.Handle.(pivHandle).certificate, ask)
	if err != nil {
		if errors.Is(err, card.ErrChanged) {
			a.cache(nil, card.Identity{}) // the listing may be outdated
		}
		return cardapp.Key{}, err
	}
	return cardapp.NewKey(k), nil
}

// Prove makes the card sign with the Card Authentication key of the card that was
// listed.
func (a *pivApplication) Prove(ctx context.Context, e *cardapp.Entry) error {
	public := e.Handle.(pivHandle).cardKey.get()
	if public == nil {
		return nil
	}
	err := a.Card.Prove(ctx, public)
	if errors.Is(err, piv.ErrMismatch) {
		return fmt.Errorf("%w: another Card Authentication key: %w", card.ErrChanged, err)
	}
	return err
}

func (a *pivApplication) ChangePIN(ctx context.Context, ask card.PINFunc) error {
	return a.Holder().ChangePIN(ctx, ask)
}

func (a *pivApplication) Unblock(ctx context.Context, ask card.PINFunc) error {
	return a.Holder().Unblock(ctx, ask)
}

func (a *pivApplication) Roots(ctx context.Context) ([]byte, error) {
	store, err := a.Card.Roots(ctx)
	if errors.Is(err, piv.ErrNotFound) {
		return nil, nil
	}
	return store, err
}
