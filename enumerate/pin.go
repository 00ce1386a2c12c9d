package enumerate

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// A PINManager reads the state of a PIN and sets the PIN. The PIN is that of the
// application of a [Credential]: it opens all keys of the application.
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
	c := m.credential
	app, err := c.on.application()
	if err != nil {
		return c.fail("change PIN", err)
	}
	return inReader(c.Reader, app.ChangePIN(ctx, ask))
}

// Unblock sets the PIN, blocked or not, and restores its retry counter. It needs the
// PUK, which few GIDS cards have.
func (m *PINManager) Unblock(ctx context.Context, ask card.PINFunc) error {
	c := m.credential
	app, err := c.on.application()
	if err != nil {
		return c.fail("unblock PIN", err)
	}
	return inReader(c.Reader, app.Unblock(ctx, ask))
}

// UnblockByAdministrator sets the PIN of a GIDS card, blocked or not, and restores
// its retry counter. It needs the administrator key of the card: answer gets a
// challenge of 8 bytes and returns it encrypted with 3DES under that key. The
// administrator may do that elsewhere; answer may wait for it. Then ask is called
// for the new PIN. On other cards it fails with [errors.ErrUnsupported].
func (m *PINManager) UnblockByAdministrator(ctx context.Context, answer func(ctx context.Context, challenge []byte) ([]byte, error), ask card.PINFunc) error {
	c := m.credential
	app, err := c.on.application()
	u, ok := app.(cardapp.AdministratorUnblocker)
	switch {
	case err != nil:
	case !ok:
		err = fmt.Errorf("%w: %s has no administrator key for the PIN", errors.ErrUnsupported, c.Application)
	case answer == nil:
		err = errors.New("no function to answer the challenge")
	default:
		return inReader(c.Reader, u.UnblockByAdministrator(ctx, answer, ask))
	}
	return c.fail("unblock PIN", err)
}
