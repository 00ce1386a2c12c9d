// Package cardapp defines what a Finder needs of a card application, and has the code
// that the applications of this module share: reading, streaming, and keeping a card
// powered while a key is open.
package cardapp

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// TagList returns the tag list by which GET DATA and PUT DATA name an object
// (ISO/IEC 7816-4, 11.4.3).
func TagList(tag ber.Tag) []byte {
	header := ber.AppendHeader(nil, tag, 0)
	return ber.Append(nil, 0x5C, header[:len(header)-1])
}

// SelectError returns the error of a SELECT that failed with err, with absent in it
// unless err is about the card. A status other than StatusNotFound leaves open
// whether the card has the application: the reach is fault.Object then.
func SelectError(absent, err error) error {
	switch {
	case err == nil || fault.ReachOf(err) != fault.Object:
		return err
	case errors.Is(err, card.StatusNotFound):
		return fmt.Errorf("%w: %w", absent, err)
	}
	return fault.Mark(fault.Object, fmt.Errorf("%w: %w", absent, err))
}

// Read runs f in a transaction in which ensureSelected has made the application
// current, and once more if another program resets the card. f must only read.
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
