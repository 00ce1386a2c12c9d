// Package gids uses the GIDS application (Generic Identity Device Specification)
// that virtual smart cards have. So far it finds out whether a card has it.
package gids

import (
	"context"
	"errors"

	"github.com/smartlogon/smartlogon/card"
)

// aid is the application identifier; the version that follows it is not sent.
var aid = []byte{0xA0, 0x00, 0x00, 0x03, 0x97, 0x42, 0x54, 0x46, 0x59}

// Probe reports whether the card has the application, by selecting it. On a card
// that has not, the application that was current stays so.
func Probe(ctx context.Context, c *card.Card) (bool, error) {
	err := c.Do(ctx, func(tx *card.Tx) error {
		_, err := tx.Select(aid)
		return err
	})
	var status card.Status
	if errors.As(err, &status) {
		return false, nil
	}
	return err == nil, err
}
