package card

import (
	"context"
	"sync"
)

// A Card is one card for as long as it stays in its reader: a name, not a
// handle. There is nothing to close. Once the card was taken out, every use
// ends with ErrRemoved or ErrChanged, also when it was put back. A Card is safe
// for concurrent use; sections of one reader take turns.
type Card struct {
	service *Service
	reader  string
	events  uint32 // the reader's event count while this card is in it
	atr     ATR
}

// Reader is the name of the reader that the card is in.
func (c *Card) Reader() string { return c.reader }

// ATR is the card's answer to reset.
func (c *Card) ATR() ATR { return c.atr }

// Do runs f in a section: it connects to the card, shared with others, keeps
// them out while f runs, and lets go. It waits for its turn until ctx ends or
// other programs held the card for longer than [Options.BusyTimeout]. The error
// is the section's own, or what f returned.
//
// The Tx is good only until f returns. Using the card in another way than by
// the Tx inside f waits for ever, that is, until ctx ends.
func (c *Card) Do(ctx context.Context, f func(*Tx) error) error {
	return wrap(c.reader, "use the card", c.transact(ctx, f))
}

// Hold keeps the card powered between sections, without keeping others from
// using it, so that what was verified stays verified. It lasts until release is
// called, which may be done at any time and more than once. When the last hold
// ends, PINs that were verified meanwhile are logged out.
func (c *Card) Hold(ctx context.Context) (release func(), err error) {
	var held *link
	err = c.transact(ctx, func(tx *Tx) error {
		held = tx.link
		tx.lane.hold(held)
		return nil
	})
	if err != nil {
		return nil, wrap(c.reader, "hold the card", err)
	}
	return sync.OnceFunc(func() { c.letGo(held) }), nil
}

// letGo ends one hold of k. The last one ends in a section, whose end logs out.
func (c *Card) letGo(k *link) {
	l := c.service.lane(c.reader)
	if l.unhold(k, false) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.service.options.BusyTimeout)
	defer cancel()
	err := c.transact(ctx, func(tx *Tx) error {
		l.unhold(k, true)
		return nil
	})
	if err != nil {
		l.drop(k) // with a reset, if a PIN is still verified
	}
}
