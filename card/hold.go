package card

import (
	"context"
	"sync"
)

// Hold keeps the card powered between transactions, so that a verified PIN stays
// verified. Other programs can use the card in between. The hold lasts until release
// is called; a second call does nothing. Inside a transaction on the same card,
// release would wait for its end. The end of the last hold logs out the PINs that
// were verified meanwhile.
func (c *Card) Hold(ctx context.Context) (release func(), err error) {
	err = c.transact(ctx, func(tx *Tx) error {
		release = tx.Hold()
		return nil
	})
	if err != nil {
		return nil, wrap(c.reader, "hold the card", err)
	}
	return release, nil
}

// Hold holds the card from the transaction on, as [Card.Hold] does.
func (tx *Tx) Hold() (release func()) {
	h := tx.hold()
	return h.release
}

// A hold keeps one connection open.
type hold struct {
	card *Card
	link *link
	once sync.Once
}

func (tx *Tx) hold() *hold {
	tx.lane.hold(tx.link)
	return &hold{card: tx.card, link: tx.link}
}

// holdAgain holds a card outside of a transaction. It fails unless the card is held
// already, over the connection k.
func (c *Card) holdAgain(k *link) (*hold, bool) {
	if !c.service.lane(c.reader).holdAgain(k) {
		return nil, false
	}
	return &hold{card: c, link: k}, true
}

// release ends the hold. The last one ends in a transaction, which logs out.
func (h *hold) release() { h.once.Do(func() { h.card.unhold(h.link) }) }

// releaseIn ends the hold inside a transaction, whose end logs out.
func (h *hold) releaseIn(tx *Tx) { h.once.Do(func() { tx.lane.unhold(h.link, true) }) }

func (c *Card) unhold(k *link) {
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
	if err != nil && !l.unhold(k, false) { // no other hold began meanwhile
		l.drop(k) // closing resets the card if a PIN is still verified
	}
}
