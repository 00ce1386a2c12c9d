package enumerate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// A PINManager reads the state of a PIN and sets the PIN. The PIN is that of the
// application of a [Credential]: it opens all keys of the application. If the card
// does not hold the certificate any more, setting the PIN fails with
// [card.ErrChanged], and nothing is asked for.
//
// A [card.PINFunc] is called twice, for the old PIN or the PUK, then for the new PIN
// ([card.PINRequest.New]), and again after an answer that was not accepted.
// prompt.Terminal of package card/prompt asks for both.
//
// What a card cannot do fails with [errors.ErrUnsupported], and so does every call
// for a key that is not on a card ([New]). A PINManager does not follow the card to
// another reader or back into its own; list the cards again, or call
// [Credential.Unlock], which does.
type PINManager struct {
	credential *Credential
}

// PIN returns the PINManager of the credential's PIN.
func (c *Credential) PIN() *PINManager { return &PINManager{c} }

// Status reads the state of the PIN, which costs no try.
func (m *PINManager) Status(ctx context.Context) (card.PINStatus, error) {
	c := m.credential
	app, err := c.on.application()
	if err != nil {
		return card.PINStatus{}, c.fail("PIN status", err)
	}
	s, err := app.PINStatus(ctx)
	return s, inReader(c.Reader, err)
}

// Change replaces the PIN. It needs the old one.
func (m *PINManager) Change(ctx context.Context, ask card.PINFunc) error {
	return m.set(ctx, "change PIN", ask, cardapp.Application.ChangePIN)
}

// Unblock sets the PIN, blocked or not, and restores its retry counter. It needs the
// PUK, which few GIDS cards have.
func (m *PINManager) Unblock(ctx context.Context, ask card.PINFunc) error {
	return m.set(ctx, "unblock PIN", ask, cardapp.Application.Unblock)
}

// UnblockByAdministrator sets the PIN of a GIDS card, blocked or not, and restores
// its retry counter. It needs the administrator key of the card: answer gets a
// challenge of 8 bytes and returns it encrypted with 3DES under that key. The
// administrator may do that elsewhere; answer may wait for it. Then ask is called
// for the new PIN. On other cards it fails with [errors.ErrUnsupported].
func (m *PINManager) UnblockByAdministrator(ctx context.Context, answer func(ctx context.Context, challenge []byte) ([]byte, error), ask card.PINFunc) error {
	const op = "unblock PIN"
	c := m.credential
	app, err := c.on.application()
	u, ok := app.(cardapp.AdministratorUnblocker)
	switch {
	case err != nil:
		return c.fail(op, err)
	case !ok:
		return c.fail(op, fmt.Errorf("%w: %s has no administrator key for the PIN", errors.ErrUnsupported, c.Application))
	case answer == nil:
		return c.fail(op, errors.New("no function to answer the challenge"))
	}
	return m.set(ctx, op, ask, func(_ cardapp.Application, ctx context.Context, ask card.PINFunc) error {
		return u.UnblockByAdministrator(ctx, answer, ask)
	})
}

// set calls f, which sets the PIN, if the card is the one that was listed.
func (m *PINManager) set(ctx context.Context, op string, ask card.PINFunc, f func(cardapp.Application, context.Context, card.PINFunc) error) error {
	c := m.credential
	app, err := c.on.application()
	if err != nil {
		return c.fail(op, err)
	}
	release, err := m.holdCard(ctx, app)
	if err == nil {
		defer release()
		if ask != nil {
			ask = c.on.withTitle(c.Title(), ask, new(atomic.Bool))
		}
		err = f(app, ctx, ask)
	}
	return inReader(c.Reader, err)
}

// holdCard compares the certificate on the card with the listed one and, if the
// application can do that without the PIN, holds the card.
func (m *PINManager) holdCard(ctx context.Context, app cardapp.Application) (release func(), err error) {
	public := m.credential.Public()
	if public == nil {
		return func() {}, nil // a malformed certificate
	}
	key, err := app.Open(ctx, m.credential.on.entry, public, nil)
	switch {
	case err == nil:
		return func() { key.Close() }, nil
	case errors.Is(err, errors.ErrUnsupported):
	case errors.Is(err, card.ErrChanged), fault.ReachOf(err) >= fault.Card:
		return nil, err
	}
	return func() {}, nil // the PIN is required, or the key is not usable
}
