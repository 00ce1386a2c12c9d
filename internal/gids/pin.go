package gids

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// References of PINs.
const (
	PIN card.Reference = 0x80
	PUK card.Reference = 0x81 // unblocks the PIN; few cards have one
)

// Tags of the retry counter in the status of a PIN.
const (
	tagRetries    ber.Tag = 0x97
	tagRetriesOld ber.Tag = 0x9F17 // of older cards
)

// pinFormat is the format of PINs: characters without padding. Tokens accept up to
// 16, virtual smart cards up to 127; each refuses what it does not accept.
var pinFormat = card.PINFormat{Min: 4, Max: 127}

// PINStatus returns the state of the PIN. It costs no try. Cards do not report
// whether the PIN is verified.
func (c *Card) PINStatus(ctx context.Context) (card.PINStatus, error) {
	var status card.PINStatus
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		status, err = retryStatus(tx)
		return err
	})
	if err != nil {
		return card.PINStatus{}, fmt.Errorf("gids: PIN status: %w", err)
	}
	return status, nil
}

// retryStatus reads the state of the PIN. It is unknown if the card does not have the
// object for it. VERIFY without a PIN is not sent to ask: its effect on all cards is
// not known.
func retryStatus(tx *card.Tx) (card.PINStatus, error) {
	status, err := readPINStatus(tx, pinStatus)
	if isObjectError(err) {
		err = nil
	}
	return status, err
}

// readPINStatus reads the object with the state of the PIN or the PUK. The retry
// counter is -1 if the card does not state it.
func readPINStatus(tx *card.Tx, o object) (card.PINStatus, error) {
	content, err := readObject(tx, o)
	if err != nil {
		return card.PINStatus{Retries: -1}, err
	}
	left, ok := decodeRetries(content)
	if !ok {
		return card.PINStatus{Retries: -1}, nil
	}
	return card.PINStatus{Blocked: left == 0, Retries: left}, nil
}

// decodeRetries returns the retry counter.
func decodeRetries(content []byte) (left int, ok bool) {
	for _, tag := range []ber.Tag{tagRetries, tagRetriesOld} {
		if v, ok, _ := ber.Find(content, tag); ok && len(v) == 1 {
			return int(v[0]), true
		}
	}
	return 0, false
}

// verification describes the PIN to package card.
func (c *Card) verification(purpose string, ask card.PINFunc) card.Verification {
	return card.Verification{
		Application: application,
		Purpose:     purpose,
		Reference:   PIN,
		Format:      pinFormat,
		Select:      c.ensureSelected,
		Identity:    c.readIdentity,
		Status:      retryStatus,
		Verify: func(pin []byte) card.Command {
			return card.Command{INS: 0x20, P2: byte(PIN), Data: pin}
		},
		Logout: logout,
		PIN:    ask,
	}
}

// logout ends the verification of the PIN and the authentication of the
// administrator. It is sent without checking which application is current: another
// one refuses it, and spends no try, since the command carries no PIN. Then GIDS is
// selected. Only an application with a verified PIN 82 of its own, as OpenPGP may
// have, would accept it; no card is known to have that beside GIDS. The card needs no
// check: a connection that was not lost is to the same card.
func logout(tx *card.Tx) error {
	command := card.Command{INS: 0x20, P2: 0x82}
	response, err := tx.Command(command)
	if isObjectError(err) {
		if err = selectApplication(tx); err == nil {
			response, err = tx.Command(command)
		}
	}
	if err == nil && len(response) > 0 {
		return malformed("data in the response to a logout")
	}
	return err
}
