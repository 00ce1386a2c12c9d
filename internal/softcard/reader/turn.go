package reader

import (
	"slices"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A turn tracks which connection holds the card and which ones wait for it. The
// mutex of the set guards it.
type turn struct {
	holder *Conn
	depth  int // transactions nest
	queue  []*waiter
}

// A waiter is a call that waits for the card.
type waiter struct {
	conn          *Conn
	survivesReset bool
	done          chan error // buffered; receives the result once
}

// acquire gives the card to c if it is free or c holds it already.
func (t *turn) acquire(c *Conn) bool {
	if t.holder == nil {
		t.holder = c
	}
	if t.holder != c {
		return false
	}
	t.depth++
	return true
}

func (t *turn) enqueue(c *Conn, survivesReset bool) *waiter {
	w := &waiter{conn: c, survivesReset: survivesReset, done: make(chan error, 1)}
	t.queue = append(t.queue, w)
	return w
}

// dequeue removes a waiter. It reports false if w.done has the result already.
func (t *turn) dequeue(w *waiter) bool {
	i := slices.Index(t.queue, w)
	if i < 0 {
		return false
	}
	t.queue = slices.Delete(t.queue, i, i+1)
	return true
}

// release ends one transaction of c. The last one frees the card.
func (t *turn) release(c *Conn) {
	if t.holder != c {
		return
	}
	if t.depth--; t.depth == 0 {
		t.next()
	}
}

// drop ends the transactions and waits of c.
func (t *turn) drop(c *Conn, cause driver.Errno) {
	t.fail(cause, func(w *waiter) bool { return w.conn == c })
	if t.holder == c {
		t.next()
	}
}

// clear ends the transaction and, with cause, the waits that do not survive it.
func (t *turn) clear(cause driver.Errno) {
	t.fail(cause, func(w *waiter) bool { return cause != driver.ResetCard || !w.survivesReset })
	t.next()
}

// failOnReset ends the waits that do not survive a reset.
func (t *turn) failOnReset() {
	t.fail(driver.ResetCard, func(w *waiter) bool { return !w.survivesReset })
}

func (t *turn) fail(cause driver.Errno, match func(*waiter) bool) {
	t.queue = slices.DeleteFunc(t.queue, func(w *waiter) bool {
		if !match(w) {
			return false
		}
		w.done <- cause
		return true
	})
}

// next gives the card to the first waiter.
func (t *turn) next() {
	t.holder, t.depth = nil, 0
	if len(t.queue) > 0 {
		w := t.queue[0]
		t.queue = slices.Delete(t.queue, 0, 1)
		t.holder, t.depth = w.conn, 1
		w.done <- nil
	}
}
