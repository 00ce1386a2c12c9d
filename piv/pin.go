package piv

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// PINStatus asks how the PIN stands that the card wants people to be asked for.
// It costs no try.
func (c *Card) PINStatus(ctx context.Context) (card.PINStatus, error) {
	var status card.PINStatus
	err := c.read(ctx, func(tx *card.Tx) error {
		ref, err := c.learn(tx)
		if err != nil {
			return err
		}
		status, err = pinStatus(tx, ref)
		return err
	})
	if err != nil {
		return card.PINStatus{}, fmt.Errorf("piv: PIN status: %w", err)
	}
	return status, nil
}

// pinStatus sends VERIFY without a PIN (SP 800-73-4 part 2, 3.2.1).
func pinStatus(tx *card.Tx, ref card.Reference) (card.PINStatus, error) {
	_, err := tx.Command(card.Command{INS: 0x20, P2: byte(ref)})
	var status card.Status
	switch {
	case err == nil:
		return card.PINStatus{Verified: true, Retries: -1}, nil
	case !errors.As(err, &status):
		return card.PINStatus{}, err
	}
	n, failed := status.Retries()
	switch {
	case failed && n == 0, status == card.MethodBlocked:
		return card.PINStatus{Blocked: true}, nil
	case failed:
		return card.PINStatus{Retries: n}, nil
	case status == card.ReferenceNotFound, status == card.DataUnusable:
		return card.PINStatus{}, err // there is no such PIN, or it was never set
	}
	return card.PINStatus{Retries: -1}, nil // the card does not know the question
}

// verification is what the PIN guard has to know of this card's PIN.
func (c *Card) verification(purpose string, ask card.PINFunc, ref card.Reference) card.Verification {
	return card.Verification{
		Purpose:   purpose,
		Reference: ref,
		// SP 800-73-4 part 2, 2.4.3. YubiKeys take any characters.
		Format:   card.PINFormat{Min: 6, Max: 8, Digits: !c.isYubiKey(), Padded: true},
		Select:   c.enter,
		Identity: c.name,
		Status:   func(tx *card.Tx) (card.PINStatus, error) { return pinStatus(tx, ref) },
		Verify: func(pin []byte) card.Command {
			return card.Command{INS: 0x20, P2: byte(ref), Data: pin}
		},
		Logout: func(tx *card.Tx) error {
			if err := c.enter(tx); err != nil {
				return err
			}
			_, err := tx.Command(card.Command{INS: 0x20, P1: 0xFF, P2: byte(ref)})
			return err
		},
		PIN: ask,
	}
}
