package enumerate

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// A PINManager reports the state of a PIN and sets it: the PIN that opens the key
// of a [Credential], and with it all others of its application. A [card.PINFunc] is
// called as [card.Card.ChangePIN] says: for the known secret, then for the new PIN
// ([card.PINRequest.New]).
//
// What a card cannot do fails with [errors.ErrUnsupported], and so does every call
// for a key that is not on a card ([New]).
type PINManager struct {
	credential *Credential
}

// PIN returns the manager of the credential's PIN.
func (c *Credential) PIN() *PINManager { return &PINManager{c} }

// Status asks for the state of the PIN. It costs no try.
func (m *PINManager) Status(ctx context.Context) (card.PINStatus, error) {
	app, err := m.credential.on.application()
	if err != nil {
		return card.PINStatus{}, m.fail("PIN status", err)
	}
	s, err := app.PINStatus(ctx)
	return s, m.fail("PIN status", err)
}

// Change sets the PIN by the old one.
func (m *PINManager) Change(ctx context.Context, ask card.PINFunc) error {
	app, err := m.credential.on.application()
	if err == nil {
		err = app.ChangePIN(ctx, ask)
	}
	return m.fail("change PIN", err)
}

// Unblock sets the PIN by the PUK, whether it is blocked or not, and restores its
// retry counter. Few GIDS cards have a PUK.
func (m *PINManager) Unblock(ctx context.Context, ask card.PINFunc) error {
	app, err := m.credential.on.application()
	if err == nil {
		err = app.Unblock(ctx, ask)
	}
	return m.fail("unblock PIN", err)
}

// UnblockByAdministrator sets the PIN of a GIDS card and restores its retry counter,
// with the administrator's permission: answer gets a challenge of 8 bytes and
// returns it encrypted with 3DES under the administrator key, which may happen far
// away and take its time. Then ask is called for the new PIN. On other cards it
// fails with [errors.ErrUnsupported].
func (m *PINManager) UnblockByAdministrator(ctx context.Context, answer func(ctx context.Context, challenge []byte) ([]byte, error), ask card.PINFunc) error {
	app, err := m.credential.on.application()
	if err == nil {
		if u, ok := app.(cardapp.AdministratorUnblocker); ok {
			err = u.UnblockByAdministrator(ctx, answer, ask)
		} else {
			err = fmt.Errorf("%w: %s has no challenge for administrators", errors.ErrUnsupported, m.credential.Application)
		}
	}
	return m.fail("unblock PIN", err)
}

// roots reads the certificates of authorities, nil if there are none.
func (m *PINManager) roots(ctx context.Context) ([]byte, error) {
	app, err := m.credential.on.application()
	if err != nil {
		return nil, err
	}
	if r, ok := app.(cardapp.RootsReader); ok {
		return r.Roots(ctx)
	}
	return nil, nil
}

func (m *PINManager) fail(op string, err error) error { return m.credential.fail(op, err) }
