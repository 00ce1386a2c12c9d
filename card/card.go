package card

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A Card is one card for as long as it stays in its reader. It is not a handle:
// there is nothing to close. Once the card was removed, every use fails with
// ErrRemoved or ErrChanged, even if the card is inserted again; [Service.Card] then
// returns a new Card. A Card is safe for concurrent use; transactions on one reader
// take turns.
//
// The PC/SC service may not report that the card was exchanged between two
// transactions, for example by a USB token that replaces another of the same model.
// An application that must know calls [Tx.Identify].
type Card struct {
	service *Service
	reader  string
	events  uint32 // the reader's event count while this card is in it
	atr     ATR
	serial  uint64 // unique in the service

	mu         sync.Mutex          // guards the rest
	over       error               // why the card cannot be used any more
	noService  bool                // a use of the card failed with ErrNoService
	identities map[string]Identity // by application, as first read
	pins       map[pinKey]pinState // for guard.recall
}

// Reader returns the name of the reader that the card is in.
func (c *Card) Reader() string { return c.reader }

// ATR returns the card's answer to reset.
func (c *Card) ATR() ATR { return c.atr }

// Do runs f in a transaction: it connects to the card, shared with other programs,
// keeps them out while f runs, and disconnects. It waits for its turn until ctx
// ends, or until other programs have used the card for [Options.BusyTimeout]. The
// error is that of f, or of the transaction.
//
// If ctx ends while a command is under way, f goes on with an error, and the
// transaction ends after the response, in the background if need be.
//
// The Tx is valid until f returns. Inside f, use only the Tx; anything else
// deadlocks until ctx ends.
func (c *Card) Do(ctx context.Context, f func(*Tx) error) error {
	return wrap(c.reader, "use the card", c.transact(ctx, f))
}

// end makes every later use of the card fail with err, or with the err of the first
// call. It returns that error.
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

func (c *Card) noteServiceEnd() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noService = true
}

func (c *Card) serviceEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.noService
}

// ended returns why the card cannot be used any more, nil while it can. After a
// removal that is ErrChanged, too: what is in the reader now is another Card.
func (c *Card) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil && !errors.Is(c.over, ErrChanged) {
		return fmt.Errorf("%w: %w", ErrChanged, c.over)
	}
	return c.over
}
