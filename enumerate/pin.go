package enumerate

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// A PINManager asks for the state of a PIN and sets it: the one that opens the key
// of a [Credential], and with it all others of its application. A [card.PINFunc] is
// asked as [card.Card.ChangePIN] says: for the secret that is known, then for the
// new PIN ([card.PINRequest.New]).
//
// What a card cannot do fails with [errors.ErrUnsupported], and so does everything
// for a key that is not on a card of this module's ([New]).
type PINManager struct {
	pin  holder
	name string // of the application and the reader
}

// PIN is what manages the PIN of the credential.
func (c *Credential) PIN() *PINManager {
	if c.holder == nil {
		return &PINManager{nobody{}, c.place()}
	}
	return &PINManager{c.holder, fmt.Sprintf("%s in %q", c.Application, c.Reader)}
}

// Status asks how the PIN stands. It costs no try.
func (m *PINManager) Status(ctx context.Context) (card.PINStatus, error) {
	s, err := m.pin.PINStatus(ctx)
	return s, m.failed(err)
}

// Change sets the PIN, by the old one.
func (m *PINManager) Change(ctx context.Context, ask card.PINFunc) error {
	return m.failed(m.pin.ChangePIN(ctx, ask))
}

// Unblock sets the PIN by the PUK, whether it is blocked or not, and gives it back
// its tries. Few GIDS cards have a PUK.
func (m *PINManager) Unblock(ctx context.Context, ask card.PINFunc) error {
	return m.failed(m.pin.Unblock(ctx, ask))
}

// UnblockByAdministrator sets the PIN of a GIDS card, and gives it back its tries,
// by the leave of whoever has its administrator key: answer gets a challenge of 8
// bytes and returns what 3DES makes of it under that key, which may be done far
// away and take its time. Then ask is asked for the new PIN. On any card but GIDS it
// fails with [errors.ErrUnsupported].
func (m *PINManager) UnblockByAdministrator(ctx context.Context, answer func(ctx context.Context, challenge []byte) ([]byte, error), ask card.PINFunc) error {
	return m.failed(m.pin.UnblockByAdministrator(ctx, answer, ask))
}

func (m *PINManager) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("enumerate: PIN of %s: %w", m.name, err)
}
