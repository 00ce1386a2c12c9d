// Package cardapp has what the card applications of this module have in common:
// what a Finder needs of them, how they read and stream, and how a key stays open.
package cardapp

import (
	"context"
	"errors"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// TagList returns the tag list by which GET DATA and PUT DATA name an object
// (ISO/IEC 7816-4, 11.4.3).
func TagList(tag ber.Tag) []byte {
	header := ber.AppendHeader(nil, tag, 0)
	return ber.Append(nil, 0x5C, header[:len(header)-1])
}

// Read runs f in a transaction in which ensureSelected has made the application
// current, once more if the card was reset in between: f only reads.
func Read(ctx context.Context, c *card.Card, ensureSelected, f func(*card.Tx) error) error {
	transaction := func(tx *card.Tx) error {
		if err := ensureSelected(tx); err != nil {
			return err
		}
		return f(tx)
	}
	err := c.Do(ctx, transaction)
	if errors.Is(err, card.ErrReset) {
		err = c.Do(ctx, transaction)
	}
	return err
}
