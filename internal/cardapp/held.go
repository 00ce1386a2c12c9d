package cardapp

import (
	"context"
	"errors"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// ErrKeyClosed reports the use of a key after Close.
var ErrKeyClosed = fault.New(fault.Object, "key is closed", "Unlock the credential again.")

// A Held keeps a card powered while a key on it is open. Other programs can use the
// card between transactions. A Held is safe for concurrent use.
type Held struct {
	card *card.Card

	mu      sync.Mutex // guards what follows
	closed  bool
	release func() // nil while nothing is held
	epoch   uint64 // in which the hold began
}

// NewHeld returns a Held that holds nothing yet.
func NewHeld(c *card.Card) *Held { return &Held{card: c} }

// Hold holds the card from the transaction on. Once the hold was lost with its
// connection, it holds the card anew.
func (h *Held) Hold(tx *card.Tx) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.release != nil && h.epoch == tx.Epoch() {
		return
	}
	old := h.release
	h.release, h.epoch = tx.Hold(), tx.Epoch()
	if old != nil {
		old() // not the last hold of a connection, so this begins no transaction
	}
}

// Open runs f, which may call Hold, and closes h if f fails or panics.
func (h *Held) Open(f func() error) error {
	opened := false
	defer func() {
		if !opened {
			h.Close()
		}
	}()
	err := f()
	opened = err == nil
	return err
}

// Close ends the hold. With the last hold, PINs are logged out.
func (h *Held) Close() error {
	h.mu.Lock()
	release := h.release
	h.closed, h.release = true, nil
	h.mu.Unlock()
	if release != nil {
		release()
	}
	return nil
}

// A WithPIN runs f in a transaction in which the PIN has just been verified.
type WithPIN func(ctx context.Context, f func(*card.Tx) error) error

// Use runs f in a transaction in which ensureSelected has made the application
// current. If the card refuses f without the PIN, as after a reset, withPIN runs f
// again, unless it is nil.
func (h *Held) Use(ctx context.Context, ensureSelected, f func(*card.Tx) error, withPIN WithPIN) error {
	if h.isClosed() {
		return ErrKeyClosed
	}
	err := h.card.Do(ctx, func(tx *card.Tx) error {
		if err := ensureSelected(tx); err != nil {
			return err
		}
		h.Hold(tx)
		return f(tx)
	})
	if errors.Is(err, card.StatusNotPermitted) && withPIN != nil {
		err = withPIN(ctx, f)
	}
	return err
}

// UseWithPIN runs f by withPIN at once.
func (h *Held) UseWithPIN(ctx context.Context, f func(*card.Tx) error, withPIN WithPIN) error {
	if h.isClosed() {
		return ErrKeyClosed
	}
	return withPIN(ctx, func(tx *card.Tx) error {
		h.Hold(tx)
		return f(tx)
	})
}

func (h *Held) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}
