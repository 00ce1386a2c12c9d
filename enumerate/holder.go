package enumerate

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/gids"
	"github.com/smartlogon/smartlogon/piv"
)

// A holder is the application on the card that a credential is in.
type holder interface {
	Roots(context.Context) ([]byte, error)
	PINStatus(context.Context) (card.PINStatus, error)
	ChangePIN(context.Context, card.PINFunc) error
	Unblock(context.Context, card.PINFunc) error
	UnblockByAdministrator(context.Context, func(context.Context, []byte) ([]byte, error), card.PINFunc) error
}

// A pivHolder is a PIV card.
type pivHolder struct{ *piv.Card }

func (p pivHolder) ChangePIN(ctx context.Context, ask card.PINFunc) error {
	return p.Holder().ChangePIN(ctx, ask)
}

func (p pivHolder) Unblock(ctx context.Context, ask card.PINFunc) error {
	return p.Holder().Unblock(ctx, ask)
}

func (p pivHolder) UnblockByAdministrator(context.Context, func(context.Context, []byte) ([]byte, error), card.PINFunc) error {
	return fmt.Errorf("%w: administrators of PIV cards have the PUK", errors.ErrUnsupported)
}

// Nobody holds a key which is somewhere else.
type nobody struct{}

var errNoCard = fmt.Errorf("%w: the key is not on a card that this module reads", errors.ErrUnsupported)

func (nobody) Roots(context.Context) ([]byte, error)             { return nil, errNoCard }
func (nobody) PINStatus(context.Context) (card.PINStatus, error) { return card.PINStatus{}, errNoCard }
func (nobody) ChangePIN(context.Context, card.PINFunc) error     { return errNoCard }
func (nobody) Unblock(context.Context, card.PINFunc) error       { return errNoCard }
func (nobody) UnblockByAdministrator(context.Context, func(context.Context, []byte) ([]byte, error), card.PINFunc) error {
	return errNoCard
}

// Roots reads the certificates of authorities that Windows keeps on the card, in the
// credential's application: a PKCS #7 store, as it is, nil where there is none.
func (c *Credential) Roots(ctx context.Context) ([]byte, error) {
	m := c.PIN()
	store, err := m.pin.Roots(ctx)
	if errors.Is(err, piv.ErrNotFound) || errors.Is(err, gids.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("enumerate: authorities of %s: %w", m.name, err)
	}
	return store, nil
}
