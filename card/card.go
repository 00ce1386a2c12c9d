package card

import (
	"context"
	"sync"
)

// A Card is one card for as long as it stays in its reader: a name, not a
// handle. There is nothing to close. Once the card was removed, every use fails
// with ErrRemoved or ErrChanged, even if the card is back: [Service.Card] returns
// the new Card. A Card is safe for concurrent use; transactions of one reader take
// turns.
//
// Whether the card was exchanged between two transactions is for the PC/SC
// service to tell, and some readers that leave and return hide it. An application
// that needs certainty calls [Tx.Identify].
type Card struct {
	service *Service
	reader  string
	events  uint32 // the reader's event count while this card is in it
	atr     ATR
	serial  uint64 // tells this Card from all others of the service

	mu         sync.Mutex          // guards what follows
	over       error               // why the card can no longer be used
	identities map[string]Identity // as the applications said first
	pins       map[pinKey]pinState // for guard.recall
	refusals   map[pinKey]int      // retry counters that came with refusals
}

// Reader returns the name of the reader that the card is in.
func (c *Card) Reader() string { return c.reader }

// ATR returns the card's answer to reset.
func (c *Card) ATR() ATR { return c.atr }

// Do runs f in a transaction: it connects to the card, shared with other programs,
// keeps them out while f runs, and disconnects. It waits for its turn until ctx
// ends or other programs have held the card for [Options.BusyTimeout]. The error
// is the transaction's own or what f returned.
//
// The Tx is valid until f returns. Inside f, use only the Tx; anything else
// deadlocks until ctx ends.
func (c *Card) Do(ctx context.Context, f func(*Tx) error) error {
	return wrap(c.reader, "use the card", c.transact(ctx, f))
}

// end makes the card unusable, with err as the reason of every later use. The
// first reason stays. It returns the reason.
func (c *Card) end(err error) error {
	c.mu.Lock()
	if c.over != nil {
		defer c.mu.Unlock()
		return c.over
	}
	c.over = err
	c.mu.Unlock()
	c.service.noteEnd(c)
	return err
}

// ended returns why the card can no longer be used, nil while it can.
func (c *Card) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}
