package piv

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// PUK is the reference of the secret that unblocks the application PIN (SP 800-73-4
// part 1, table 4b).
const PUK card.Reference = 0x81

// A Holder changes the PIN and the PUK of a card by the old ones, without the
// management key. Each call asks twice: for the secret that allows the change, and
// for the new one ([card.PINRequest.New]).
//
// If the response of the card was lost, the error is an *[InterruptedError]: either
// the old or the new secret is valid.
type Holder struct{ card *Card }

// Holder returns the Holder of the card. Nothing is sent.
func (c *Card) Holder() *Holder { return &Holder{c} }

// ChangePIN changes the PIN that the card prefers.
func (h *Holder) ChangePIN(ctx context.Context, ask card.PINFunc) error {
	ref, err := h.card.pinReference(ctx)
	if err == nil {
		v := h.card.verificationOf(&ref, "change the PIN", newRetryQuery(), ask)
		err = h.change(ctx, v, ref, h.card.newPINFormat(), 0x24)
	}
	if err != nil {
		return fmt.Errorf("piv: change PIN: %w", err)
	}
	return nil
}

// ChangePUK changes the PUK.
func (h *Holder) ChangePUK(ctx context.Context, ask card.PINFunc) error {
	v := h.card.pukVerification("change the PUK", ask)
	if err := h.change(ctx, v, PUK, v.Format, 0x24); err != nil {
		return fmt.Errorf("piv: change PUK: %w", err)
	}
	return nil
}

// Unblock sets the application PIN by the PUK and restores its retry counter, whether
// the PIN was blocked or not.
func (h *Holder) Unblock(ctx context.Context, ask card.PINFunc) error {
	v := h.card.pukVerification("unblock the PIN", ask)
	if err := h.change(ctx, v, ApplicationPIN, h.card.newPINFormat(), 0x2C); err != nil {
		return fmt.Errorf("piv: unblock PIN: %w", err)
	}
	return nil
}

// change sends CHANGE REFERENCE DATA or RESET RETRY COUNTER (SP 800-73-4 part 2,
// 3.2.2 and 3.2.3).
func (h *Holder) change(ctx context.Context, v card.Verification, set card.Reference, format card.PINFormat, ins byte) error {
	err := h.card.card.ChangePIN(ctx, card.PINChange{
		Verification: v,
		New:          set,
		NewFormat:    format,
		Replace: func(secret, pin []byte) card.Command {
			if v.Verify != nil {
				v.Verify(secret) // notes that the retry counter may fall
			}
			data := append(append(make([]byte, 0, len(secret)+len(pin)), secret...), pin...)
			return card.Command{INS: ins, P2: byte(set), Data: data}
		},
	})
	var refused *card.PINError
	if errors.As(err, &refused) && refused.Sent && !isObjectError(refused.Err) {
		return &InterruptedError{Unknown, err}
	}
	return err
}

// pukVerification describes the PUK for the PIN guard. Only YubiKeys report its retry
// counter; on other cards every try counts as the last. No command verifies it alone,
// so there is nothing to log out.
func (c *Card) pukVerification(purpose string, ask card.PINFunc) card.Verification {
	return card.Verification{
		Application: application,
		Purpose:     purpose,
		Name:        "PUK",
		Reference:   PUK,
		Format:      card.PINFormat{Min: 6, Max: 8, Padded: true},
		Select:      c.ensureSelected,
		Identity:    c.readIdentity,
		Status:      c.pukStatus,
		Logout:      func(*card.Tx) error { return nil },
		PIN:         ask,
	}
}

func (c *Card) pukStatus(tx *card.Tx) (card.PINStatus, error) {
	v, is, err := c.yubiKey(tx)
	if err != nil || !is || v.Less(firmwareMetadata) {
		return card.PINStatus{Retries: -1}, err
	}
	m, err := metadata(tx, byte(PUK))
	if err != nil {
		return card.PINStatus{}, err
	}
	return card.PINStatus{Blocked: m.Retries == 0, Retries: m.Retries}, nil
}
