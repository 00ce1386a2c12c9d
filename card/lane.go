package card

import (
	"maps"
	"sync"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A lane is the use of one reader by this process: its transactions take turns, and
// share one connection while the card is held.
type lane struct {
	turn   chan struct{} // holds a token while a transaction runs
	resets uint64        // by other programs, as transactions noticed; changes in transactions only

	mu      sync.Mutex // guards the rest
	active  *link      // the connection of the transaction under way
	uses    uint64     // counts changes of active
	link    *link      // the shared connection; nil while the card is not held
	holds   int        // of link
	working bool       // a transaction uses link, and closes it at its end if no hold is left
}

// A link is one connection to a card. Its fields change in transactions only.
type link struct {
	card  driver.Card
	owner *Card
	epoch uint64
	reset bool // closing must reset the card

	// Valid for one epoch.
	identities map[string]Identity        // by application, once read
	logouts    map[pinKey]func(*Tx) error // end the verification of PINs; closing resets the card if any is left
}

// newEpoch forgets what a reset has ended.
func (k *link) newEpoch(n uint64) {
	k.epoch = n
	k.identities, k.logouts = nil, nil
}

func (k *link) close() {
	k.card.Close(k.reset || len(k.logouts) > 0) // the connection is closed even with an error
}

// use sets the connection of the transaction under way, nil when it ends.
func (l *lane) use(k *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active = k
	l.uses++
}

// currentUse returns the number of the last use, for abort.
func (l *lane) currentUse() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uses
}

// abort closes the connection of the transaction under way, if it is still the use
// with that number: a call does not return. The card is reset, so that no PIN stays
// verified.
func (l *lane) abort(use uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active != nil && l.uses == use {
		l.active.card.Close(true)
	}
}

// hold makes k the shared connection, or counts one more hold of it.
func (l *lane) hold(k *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != k {
		if l.link != nil {
			k.replace(l.link)
		}
		l.link, l.holds, l.working = k, 0, true
	}
	l.holds++
}

// replace closes the shared connection of another Card. That card was removed,
// unless the event counts are equal: then it may be this one, which answers
// otherwise since a reset, and k logs out what is verified. The card is not reset for
// it: that would wait for the transaction of k, which runs.
func (k *link) replace(old *link) {
	if old.owner.events == k.owner.events && len(old.logouts) > 0 {
		if k.logouts == nil {
			k.logouts = make(map[pinKey]func(*Tx) error)
		}
		maps.Copy(k.logouts, old.logouts)
	}
	old.card.Close(false)
}

// holdAgain counts one more hold of k. It fails if k is not held.
func (l *lane) holdAgain(k *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != k || l.holds == 0 {
		return false
	}
	l.holds++
	return true
}

// unhold ends one hold of k, but the last one only if last is set. It reports whether
// the hold has ended.
func (l *lane) unhold(k *link, last bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.link != k: // the connection was dropped
		return true
	case l.holds > 1 || last && l.holds > 0:
		l.holds--
		return true
	}
	return false
}

// borrow returns the shared connection of c for a transaction, nil if there is none.
func (l *lane) borrow(c *Card) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link == nil || l.link.owner != c {
		return nil
	}
	l.working = true
	return l.link
}

// held reports whether k stays open after the transaction that uses it.
func (l *lane) held(k *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.link == k && l.holds > 0
}

// giveBack ends the use of k by a transaction.
func (l *lane) giveBack(k *link) {
	if l.keeps(k) {
		return
	}
	k.close() // may wait for the transaction of another program
}

// keeps ends the use of k by a transaction, and reports whether k is held.
func (l *lane) keeps(k *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != k {
		return false
	}
	l.working = false
	if l.holds > 0 {
		return true
	}
	l.link = nil
	return false
}

// drop closes k, held or not. If a transaction uses it, its end closes it.
func (l *lane) drop(k *link) {
	if l.forget(k) {
		k.close() // may wait for a transaction, also for one of this process
	}
}

// forget ends the holds of k, and reports whether to close it.
func (l *lane) forget(k *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != k {
		return false
	}
	l.holds = 0
	if l.working {
		return false
	}
	l.link = nil
	return true
}

// dropAll drops the shared connection, which a hold may do at the same time.
func (l *lane) dropAll() {
	l.mu.Lock()
	k := l.link
	l.mu.Unlock()
	if k != nil {
		l.drop(k)
	}
}
