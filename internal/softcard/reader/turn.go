package reader

import (
	"slices"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A turn says which connection may use the card, and who is next. It is
// guarded by the mutex of the set.
type turn struct {
	holder *Conn
	depth  int // transactions nest
	queue  []*waiter
}

// A waiter is a call that waits for its turn.
type waiter struct {
	conn     *Conn
	tolerant bool       // a reset does not end the wait
	done     chan error // gets the outcome, once
}

// take gives the card to c if it is free or c's already.
func (t *turn) take(c *Conn) bool {
	if t.holder == nil {
		t.holder = c
	}
	if t.holder != c {
		return false
	}
	t.depth++
	return true
}

func (t *turn) wait(c *Conn, tolerant bool) *waiter {
	w := &waiter{conn: c, tolerant: tolerant, done: make(chan error, 1)}
	t.queue = append(t.queue, w)
	return w
}

// leave takes a waiter that gave up out of the queue. It reports false where
// the outcome is there already.
func (t *turn) leave(w *waiter) bool {
	i := slices.Index(t.queue, w)
	if i < 0 {
		return false
	}
	t.queue = slices.Delete(t.queue, i, i+1)
	return true
}

// give ends one transaction of c; the last one hands the card over.
func (t *turn) give(c *Conn) {
	if t.holder != c {
		return
	}
	if t.depth--; t.depth == 0 {
		t.next()
	}
}

// drop ends all that c has or waits for.
func (t *turn) drop(c *Conn, cause driver.Errno) {
	t.fail(cause, func(w *waiter) bool { return w.conn == c })
	if t.holder == c {
		t.next()
	}
}

// clear ends the transaction and every wait, because there is no card to wait
// for or because it was reset.
func (t *turn) clear(cause driver.Errno) {
	t.fail(cause, func(w *waiter) bool { return cause != driver.ResetCard || !w.tolerant })
	t.next()
}

// noteReset ends the waits of all but those who want to take note of the reset.
func (t *turn) noteReset() {
	t.fail(driver.ResetCard, func(w *waiter) bool { return !w.tolerant })
}

func (t *turn) fail(cause driver.Errno, which func(*waiter) bool) {
	t.queue = slices.DeleteFunc(t.queue, func(w *waiter) bool {
		if !which(w) {
			return false
		}
		w.done <- cause
		return true
	})
}

// next hands the card to whoever waits longest.
func (t *turn) next() {
	t.holder, t.depth = nil, 0
	if len(t.queue) > 0 {
		w := t.queue[0]
		t.queue = slices.Delete(t.queue, 0, 1)
		t.holder, t.depth = w.conn, 1
		w.done <- nil
	}
}
