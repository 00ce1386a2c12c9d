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

// ErrAdministrator says that the card did not take the answer to its challenge.
var ErrAdministrator = fault.New(fault.Object,
	"card did not take the administrator's answer to its challenge",
	"Ask for a new challenge, and have it answered with the administrator key of this very card.",
)

// errNoPUK says that a card has no PUK.
var errNoPUK = fault.New(fault.Object,
	"card has no PUK",
	"Have the administrator of the card unblock it, by an answer to its challenge.",
)

// ChangePIN sets the PIN by the old one, as [card.Card.ChangePIN] says. It asks
// twice.
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

// Unblock sets the PIN by the PUK, on cards that have one, which are few. Nobody
// but the card knows how long the PUK is, and how it tells where it ends.
func (c *Card) Unblock(ctx context.Context, ask card.PINFunc) error {
	v := c.verification("unblock the PIN", ask)
	v.Reference, v.Verify = PUK, nil
	v.Status = func(tx *card.Tx) (card.PINStatus, error) {
		_, err := readObject(tx, object{0x3FFF, tagPUKStatus})
		if errors.Is(err, ErrNotFound) {
			return card.PINStatus{}, fmt.Errorf("%w: %w", errors.ErrUnsupported, errNoPUK)
		}
		return secretStatus(tx, tagPUKStatus)
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

// UnblockByAdministrator sets the PIN, and gives it back its tries, with the leave
// of whoever has the administrator key: answer gets the card's challenge of 8 bytes
// and returns what 3DES makes of it under that key. It is called outside of any
// section and may take its time: by telephone, for example. Then ask is asked for
// the new PIN.
func (c *Card) UnblockByAdministrator(ctx context.Context, answer func(ctx context.Context, challenge []byte) ([]byte, error), ask card.PINFunc) error {
	if err := c.unblockByAdministrator(ctx, answer, ask); err != nil {
		return fmt.Errorf("gids: unblock PIN: %w", err)
	}
	return nil
}

func (c *Card) unblockByAdministrator(ctx context.Context, answer func(context.Context, []byte) ([]byte, error), ask card.PINFunc) error {
	held := cardapp.NewHeld(c.card) // without power the card forgets its challenge
	defer held.Close()
	var challenge []byte
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		if challenge, err = askForChallenge(tx); err == nil {
			held.Hold(tx)
		}
		return err
	})
	if err != nil {
		return err
	}
	response, err := answer(ctx, challenge)
	if err != nil {
		return err
	}
	v := c.verification("unblock the PIN", ask)
	given := false
	return c.card.ChangePIN(ctx, card.PINChange{
		Verification: v,
		New:          PIN,
		NewFormat:    pinFormat,
		Allow: func(tx *card.Tx) error {
			if given { // and a new PIN was not to the card's liking
				return nil
			}
			err := answerChallenge(tx, response)
			given = err == nil
			return err
		},
		Replace: func(_, pin []byte) card.Command {
			return card.Command{INS: 0x2C, P1: 0x02, P2: byte(PIN), Data: bytes.Clone(pin)}
		},
	})
}

// adminKey is the reference of the administrator's key.
const adminKey = 0x80

// Elements of a dynamic authentication template (ISO/IEC 7816-4, 11.5.5).
const (
	tagTemplate  ber.Tag = 0x7C
	tagChallenge ber.Tag = 0x81
	tagResponse  ber.Tag = 0x82
)

// challengeSize is the size of a challenge: a block of 3DES.
const challengeSize = 8

// askForChallenge begins an external authentication.
func askForChallenge(tx *card.Tx) ([]byte, error) {
	_, err := tx.Command(card.Command{INS: 0x22, P1: 0x81, P2: 0xA4, Data: ber.Append(nil, 0x83, []byte{adminKey})})
	if err != nil {
		return nil, err
	}
	answer, err := tx.Command(card.Command{
		INS: 0x87, Ne: maxShort, Secret: true,
		Data: ber.Append(nil, tagTemplate, ber.Append(nil, tagChallenge, nil)),
	})
	if err != nil {
		return nil, err
	}
	template, err := unwrap(answer, tagTemplate)
	if err != nil {
		return nil, err
	}
	challenge, ok, err := ber.Find(template, tagChallenge)
	if err != nil || !ok || len(challenge) != challengeSize {
		return nil, malformed("no challenge of %d bytes", challengeSize)
	}
	return challenge, nil
}

// answerChallenge ends it.
func answerChallenge(tx *card.Tx, response []byte) error {
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
