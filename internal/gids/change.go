package gids

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// ErrAdministrator says that the card refused the response to its challenge.
var ErrAdministrator = fault.New(fault.Object,
	"card refused the administrator's response to its challenge",
	"Request a new challenge and compute the response with the administrator key of this card.",
)

// errNoPUK says that a card has no PUK.
var errNoPUK = fault.New(fault.Object,
	"card has no PUK",
	"Ask the administrator of the card to unblock the PIN by challenge and response.",
)

// ChangePIN sets the PIN by the old one, as [card.Card.ChangePIN] describes. ask is
// called twice: for the old PIN and for the new one.
func (c *Card) ChangePIN(ctx context.Context, ask card.PINFunc) error {
	err := c.card.ChangePIN(ctx, card.PINChange{
		Verification: c.verification("change the PIN", ask),
		VerifyFirst:  true,
		New:          PIN,
		NewFormat:    pinFormat,
		Replace: func(old, pin []byte) card.Command {
			return card.Command{INS: 0x24, P2: byte(PIN), Data: bytes.Join([][]byte{old, pin}, nil)}
		},
	})
	if err != nil {
		return fmt.Errorf("gids: change PIN: %w", err)
	}
	return nil
}

// Unblock sets the PIN by the PUK. Few cards have one; on the others the error wraps
// [errors.ErrUnsupported]. How the card splits PUK and PIN in the one command that
// carries both is not documented.
func (c *Card) Unblock(ctx context.Context, ask card.PINFunc) error {
	v := c.verification("unblock the PIN", ask)
	v.Reference, v.Verify = PUK, nil
	v.Status = func(tx *card.Tx) (card.PINStatus, error) {
		status, err := readPINStatus(tx, pukStatus)
		switch {
		case errors.Is(err, ErrNotFound):
			return card.PINStatus{}, fmt.Errorf("%w: %w", errors.ErrUnsupported, errNoPUK)
		case isObjectError(err):
			err = nil
		}
		return status, err
	}
	err := c.card.ChangePIN(ctx, card.PINChange{
		Verification: v,
		New:          PIN,
		NewFormat:    pinFormat,
		Replace: func(puk, pin []byte) card.Command {
			return card.Command{INS: 0x2C, P2: byte(PIN), Data: bytes.Join([][]byte{puk, pin}, nil)}
		},
	})
	if err != nil {
		return fmt.Errorf("gids: unblock PIN: %w", err)
	}
	return nil
}

// UnblockByAdministrator sets the PIN and restores its retry counter by the
// administrator key. respond gets the card's challenge of 8 bytes and returns it
// encrypted with 3DES under that key. It runs outside of any transaction and may take
// long: the administrator may be reached by telephone only. Then ask is called for
// the new PIN.
func (c *Card) UnblockByAdministrator(ctx context.Context, respond func(ctx context.Context, challenge []byte) ([]byte, error), ask card.PINFunc) error {
	if err := c.unblockByAdministrator(ctx, respond, ask); err != nil {
		return fmt.Errorf("gids: unblock PIN: %w", err)
	}
	return nil
}

func (c *Card) unblockByAdministrator(ctx context.Context, respond func(context.Context, []byte) ([]byte, error), ask card.PINFunc) error {
	held := cardapp.NewHeld(c.card) // without power the card forgets its challenge
	defer held.Close()
	var challenge []byte
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		if challenge, err = requestChallenge(tx); err == nil {
			held.Hold(tx)
		}
		return err
	})
	if err != nil {
		return err
	}
	response, err := respond(ctx, challenge)
	if err != nil {
		return err
	}
	authenticated := false
	return c.card.ChangePIN(ctx, card.PINChange{
		Verification: c.verification("unblock the PIN", ask),
		New:          PIN,
		NewFormat:    pinFormat,
		Allow: func(tx *card.Tx) error {
			if authenticated { // the card refused the new PIN, and ask returned another
				return nil
			}
			err := authenticateAdministrator(tx, response)
			authenticated = err == nil
			return err
		},
		Replace: func(_, pin []byte) card.Command {
			return card.Command{INS: 0x2C, P1: 0x02, P2: byte(PIN), Data: bytes.Clone(pin)}
		},
	})
}

// adminKey is the reference of the administrator key.
const adminKey = 0x80

// Elements of a dynamic authentication template (ISO/IEC 7816-4, 11.5.5).
const (
	tagTemplate  ber.Tag = 0x7C
	tagChallenge ber.Tag = 0x81
	tagResponse  ber.Tag = 0x82
)

// challengeSize is the size of a challenge: a block of 3DES.
const challengeSize = 8

// requestChallenge begins an external authentication.
func requestChallenge(tx *card.Tx) ([]byte, error) {
	_, err := tx.Command(card.Command{INS: 0x22, P1: 0x81, P2: 0xA4, Data: ber.Append(nil, 0x83, []byte{adminKey})})
	if err != nil {
		return nil, err
	}
	response, err := tx.Command(card.Command{
		INS: 0x87, Ne: maxShort, Secret: true,
		Data: ber.Append(nil, tagTemplate, ber.Append(nil, tagChallenge, nil)),
	})
	if err != nil {
		return nil, err
	}
	template, err := unwrap(response, tagTemplate)
	if err != nil {
		return nil, err
	}
	challenge, ok, err := ber.Find(template, tagChallenge)
	if err != nil || !ok || len(challenge) != challengeSize {
		return nil, malformed("no challenge of %d bytes", challengeSize)
	}
	return challenge, nil
}

// authenticateAdministrator ends it.
func authenticateAdministrator(tx *card.Tx, response []byte) error {
	_, err := tx.Command(card.Command{
		INS: 0x87, Secret: true,
		Data: ber.Append(nil, tagTemplate, ber.Append(nil, tagResponse, response)),
	})
	var status card.Status
	if errors.As(err, &status) {
		return fmt.Errorf("%w: %w", ErrAdministrator, err)
	}
	return err
}
