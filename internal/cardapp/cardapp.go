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
	list := ber.AppendHeader([]byte{0x5C, 0}, tag, 0)
	list = list[:len(list)-1] // without the length
	list[1] = byte(len(list) - 2)
	return list
}

// SelectError returns the error of a SELECT that failed with err, with absent in it
// unless err is about the card. A status that does not say that the card lacks the
// application leaves it open: the reach is fault.Object then.
func SelectError(absent, err error) error {
	switch {
	case err == nil || fault.ReachOf(err) != fault.Object:
		return err
	case LacksApplication(err):
		return fmt.Errorf("%w: %w", absent, err)
	}
	return fault.Mark(fault.Object, fmt.Errorf("%w: %w", absent, err))
}

// selectFailed is the status of Java Cards for an application that was not selected.
const selectFailed card.Status = 0x6999

// LacksApplication reports whether the status of a SELECT says that the card does not
// have the application. Only 6A82 is defined for that (ISO/IEC 7816-4, 11.2.2); cards
// return other statuses about parameters, or that no application is there to perform
// the SELECT. A status after a part of the response says nothing of the kind.
func LacksApplication(err error) bool {
	var status card.Status
	if !errors.As(err, &status) || fault.IsPartial(err) {
		return false
	}
	switch status >> 8 {
	case 0x6A, 0x6B, 0x6D, 0x6E:
		return true
	}
	return status == selectFailed
}

// LacksObject reports whether the status of GET DATA says that the card does not have
// the object. The standards leave the status open: 6A82, 6A88, 6A80 and 6400 occur.
// Those about the command, and one after a part of the object, say nothing of the kind.
func LacksObject(err error) bool {
	var status card.Status
	if !errors.As(err, &status) || fault.IsPartial(err) {
		return false
	}
	switch status {
	case card.StatusNotSupported, card.StatusNotEnoughMemory, card.StatusWrongParameters:
		return false
	}
	return status>>8 == 0x6A || status>>8 == 0x64
}

// IsIdentifier reports whether the application identifier in a response to SELECT, which
// may be truncated, begins as one. The first digit of a registered one is A, D or F
// (ISO/IEC 7816-4, 12.2.3). Cards also return the part that follows the registered one,
// or malformed ones.
func IsIdentifier(id []byte) bool { return len(id) > 0 && id[0]>>4 >= 0xA }

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
