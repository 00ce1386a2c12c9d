package gids

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// References of the secrets that people know.
const (
	PIN card.Reference = 0x80
	PUK card.Reference = 0x81 // what unblocks the PIN, on cards that have one
)

// Objects that say how a secret stands, and what is in them.
const (
	tagPINStatus ber.Tag = 0x7F71
	tagPUKStatus ber.Tag = 0x7F73

	tagTriesLeft    ber.Tag = 0x97
	tagTriesLeftOld ber.Tag = 0x9F17 // of older cards
)

// pinFormat is what PINs look like: as they are typed, not padded. Tokens take up
// to 16 characters, virtual smart cards up to 127; either says itself what it does
// not take.
var pinFormat = card.PINFormat{Min: 4, Max: 127}

// PINStatus asks how the PIN stands. It costs no try. Cards do not say whether the
// PIN is verified.
func (c *Card) PINStatus(ctx context.Context) (card.PINStatus, error) {
	var status card.PINStatus
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		status, err = pinStatus(tx)
		return err
	})
	if err != nil {
		return card.PINStatus{}, fmt.Errorf("gids: PIN status: %w", err)
	}
	return status, nil
}

func pinStatus(tx *card.Tx) (card.PINStatus, error) { return secretStatus(tx, tagPINStatus) }

// secretStatus reads the object that says how a secret stands. VERIFY without a
// PIN, which others use to ask, is not sent: what every card makes of that is not
// known. A card that does not say it leaves it open.
func secretStatus(tx *card.Tx, tag ber.Tag) (card.PINStatus, error) {
	content, err := readObject(tx, object{0x3FFF, tag})
	if err != nil {
		if isObjectError(err) {
			err = nil
		}
		return card.PINStatus{Retries: -1}, err
	}
	left, ok := decodeTries(content)
	if !ok {
		return card.PINStatus{Retries: -1}, nil
	}
	return card.PINStatus{Blocked: left == 0, Retries: left}, nil
}

// decodeTries finds how many tries are left.
func decodeTries(content []byte) (left int, ok bool) {
	for _, tag := range []ber.Tag{tagTriesLeft, tagTriesLeftOld} {
		if v, found, _ := ber.Find(content, tag); found && len(v) == 1 {
			return int(v[0]), true
		}
	}
	return 0, false
}

// verification describes the PIN to the PIN guard.
func (c *Card) verification(purpose string, ask card.PINFunc) card.Verification {
	return card.Verification{
		Application: application,
		Purpose:     purpose,
		Reference:   PIN,
		Format:      pinFormat,
		Select:      c.ensureSelected,
		Identity:    c.readIdentity,
		Status:      pinStatus,
		Verify: func(pin []byte) card.Command {
			return card.Command{INS: 0x20, P2: byte(PIN), Data: pin}
		},
		Logout: c.logout,
		PIN:    ask,
	}
}

// logout ends the verification of the PIN. If another application is current, which
// has no harm from that command, GIDS is selected.
func (c *Card) logout(tx *card.Tx) error {
	command := card.Command{INS: 0x20, P2: 0x82}
	response, err := tx.Command(command)
	if isObjectError(err) {
		if err = c.ensureSelected(tx); err == nil {
			response, err = tx.Command(command)
		}
	}
	if err == nil && len(response) > 0 {
		return malformed("data in the response to a logout")
	}
	return err
}
