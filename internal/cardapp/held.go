package cardapp

import (
	"context"
	"errors"
	"sync"

	"github.com/smartlogon/smartlogon/card"
)

// A Held keeps a card powered while a key on it is open, without keeping other
// programs from using it. It is safe for concurrent use.
type Held struct {
	ctx     context.Context
	card    *card.Card
	release func()

	mu     sync.Mutex
	closed bool
}

// Hold holds a card. Every use of what is returned ends when ctx ends.
func Hold(ctx context.Context, c *card.Card) (*Held, error) {
	release, err := c.Hold(ctx)
	if err != nil {
		return nil, err
	}
	return &Held{ctx: ctx, card: c, release: release}, nil
}

// Close lets go of the card. With the last hold, PINs are logged out.
func (h *Held) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		h.release()
	}
	return nil
}

// A Verified runs f in a section in which the PIN has just been verified.
type Verified func(ctx context.Context, f func(*card.Tx) error) error

// Use runs f in a section in which enter has made the application current. Where the
// card wants the PIN for it, after a reset, a neighbour or by a stricter rule of its
// own, verified runs it again, if it is not nil: then somebody may be asked, and may
// say no.
func (h *Held) Use(enter, f func(*card.Tx) error, verified Verified) error {
	if h.isClosed() {
		return card.ErrClosed
	}
	err := h.card.Do(h.ctx, func(tx *card.Tx) error {
		if err := enter(tx); err != nil {
			return err
		}
		return f(tx)
	})
	if errors.Is(err, card.StatusNotPermitted) && verified != nil {
		err = verified(h.ctx, f)
	}
	return err
}

// UseVerified has verified run f at once.
func (h *Held) UseVerified(f func(*card.Tx) error, verified Verified) error {
	if h.isClosed() {
		return card.ErrClosed
	}
	return verified(h.ctx, f)
}

func (h *Held) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}
