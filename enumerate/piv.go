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

	mu  sync.Mutex       // guards what follows
	own crypto.PublicKey // of the Card Authentication certificate; nil while none was listed
}

// A pivHandle is what Open needs of an entry. The credentials of a card share own,
// which is found after the first of them.
type pivHandle struct {
	certificate *piv.Certificate
	listed      *pivApplication
}

func (a *pivApplication) Entries(ctx context.Context) iter.Seq2[*cardapp.Entry, error] {
	return func(yield func(*cardapp.Entry, error) bool) {
		var id card.Identity
		if a.finder.Identify {
			var err error
			if id, err = a.Identity(ctx); err != nil {
				yield(nil, err)
				return
			}
		}
		first := true
		for c, err := range a.Certificates(ctx, a.finder.Scan) {
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			if c.Slot == piv.CardAuthentication {
				a.setOwn(c.Raw)
			}
			container := fmt.Sprintf("%02X", byte(c.Slot))
			e := &cardapp.Entry{
				Container: container,
				Default:   first,
				Signature: c.Slot == piv.Signature,
				Assumed:   "PIV slot " + container,
				Raw:       c.Raw,
				Card:      id,
				Handle:    pivHandle{c, a},
			}
			first = false
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (a *pivApplication) Open(ctx context.Context, e *cardapp.Entry, _ crypto.PublicKey, ask card.PINFunc) (cardapp.Key, error) {
	k, err := a.KeyFor(ctx, e.Handle.(pivHandle).certificate, ask)
	if err != nil {
		return cardapp.Key{}, err
	}
	return cardapp.NewKey(k), nil
}

func (a *pivApplication) setOwn(certificate []byte) {
	public, err := cert.PublicKey(certificate)
	if err != nil {
		return // a certificate without a readable key proves nothing
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.own = public
}

func (a *pivApplication) ownKey() crypto.PublicKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.own
}

// Prove has the card prove that it holds the Card Authentication key of the card
// that was listed.
func (a *pivApplication) Prove(ctx context.Context, e *cardapp.Entry) error {
	public := e.Handle.(pivHandle).listed.ownKey()
	if public == nil {
		return nil
	}
	err := a.Card.Prove(ctx, public)
	if errors.Is(err, piv.ErrMismatch) {
		return fmt.Errorf("%w: its Card Authentication key is another: %w", card.ErrChanged, err)
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
