package enumerate

import (
	"context"
	"crypto"
	"errors"
	"iter"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/gids"
)

var gidsKind = cardapp.Kind{
	Name:   string(GIDS),
	Absent: gids.ErrNotGIDS,
	New:    func(c *card.Card) cardapp.Application { return gidsApplication{gids.New(c)} },
}

// A gidsApplication is the GIDS application for a Finder.
type gidsApplication struct{ *gids.Card }

func (a gidsApplication) Entries(ctx context.Context) iter.Seq2[*cardapp.Entry, error] {
	return func(yield func(*cardapp.Entry, error) bool) {
		for c, err := range a.Certificates(ctx) {
			var e *cardapp.Entry
			if err == nil {
				e = &cardapp.Entry{
					Container: c.File,
					Name:      c.Container.Name,
					Default:   c.Container.Default,
					Signature: c.Signature,
					Raw:       c.Raw,
					Card:      c.Card,
					Handle:    c,
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (a gidsApplication) Open(ctx context.Context, e *cardapp.Entry, public crypto.PublicKey, ask card.PINFunc) (cardapp.Key, error) {
	k, err := a.Key(ctx, e.Handle.(*gids.Certificate), public, ask)
	if err != nil {
		return cardapp.Key{}, err
	}
	return cardapp.NewKey(k), nil
}

func (a gidsApplication) Roots(ctx context.Context) ([]byte, error) {
	store, err := a.Card.Roots(ctx)
	if errors.Is(err, gids.ErrNotFound) {
		return nil, nil
	}
	return store, err
}
