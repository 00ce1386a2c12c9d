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
		status, err = c.pinStatus(tx, ref)
		return err
	})
	if err != nil {
		return card.PINStatus{}, fmt.Errorf("piv: PIN status: %w", err)
	}
	return status, nil
}

// pinStatus sends VERIFY without a PIN (SP 800-73-4 part 2, 3.2.1).
func (c *Card) pinStatus(tx *card.Tx, ref card.Reference) (card.PINStatus, error) {
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
	case failed && n == 0, status == card.StatusMethodBlocked:
		return card.PINStatus{Blocked: true}, nil
	case failed:
		return card.PINStatus{Retries: n}, nil
	case status == card.StatusReferenceNotFound, status == card.StatusDataUnusable:
		return card.PINStatus{}, err // there is no such PIN, or it was never set
	case c.isContactless() && (status == card.StatusNotPermitted || status == card.StatusNotSupported):
		return card.PINStatus{}, fmt.Errorf("%w: %v", errContactless, err)
	}
	return card.PINStatus{Retries: -1}, nil // the card does not know the question
}

// verification is what the PIN guard has to know of this card's PIN.
func (c *Card) verification(purpose string, ask card.PINFunc, ref card.Reference) card.Verification {
	q := question{card: c, ref: ref, left: -1}
	return card.Verification{
		Purpose:   purpose,
		Reference: ref,
		Format:    c.pinFormat(),
		Select:    c.enter,
		Identity:  c.name,
		Status:    q.ask,
		Verify: func(pin []byte) card.Command {
			q.left = -1 // it may cost a try, rightly
			return card.Command{INS: 0x20, P2: byte(ref), Data: pin}
		},
		Logout: func(tx *card.Tx) error {
			if err := c.enter(tx); err != nil {
				return err
			}
			answer, err := tx.Command(card.Command{INS: 0x20, P1: 0xFF, P2: byte(ref)})
			if err == nil && len(answer) > 0 {
				return malformed("data in the answer to a logout")
			}
			return err
		},
		PIN: ask,
	}
}

// pinFormat is what PINs look like (SP 800-73-4 part 2, 2.4.3). YubiKeys take any
// characters.
func (c *Card) pinFormat() card.PINFormat {
	return card.PINFormat{Min: 6, Max: 8, Digits: !c.isYubiKey(), Padded: true}
}

// A question is the one for the tries left, as often as one use of the PIN asks
// it. If the answer is less without a PIN having been sent, then on this card
// the question itself may cost a try, and is not asked again.
type question struct {
	card  *Card
	ref   card.Reference
	left  int // by the last answer; negative where nothing follows from it
	costs bool
}

func (q *question) ask(tx *card.Tx) (card.PINStatus, error) {
	if q.costs {
		return card.PINStatus{Retries: -1}, nil
	}
	s, err := q.card.pinStatus(tx, q.ref)
	if err == nil && !s.Verified && !s.Blocked && s.Retries < q.left {
		q.costs, s.Retries = true, -1
	}
	q.left = s.Retries
	return s, err
}
