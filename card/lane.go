package card

import (
	"sync"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A lane is what this process does with one reader: its transactions take turns,
// and share one connection while the card is held.
type lane struct {
	turn   chan struct{} // holds a token while a transaction runs
	resets uint64        // by other programs, as transactions noticed; changes in transactions only

	mu      sync.Mutex // guards what follows
	active  *link      // the connection of the transaction that runs
	link    *link      // the shared connection; nil while the card is not held
	holds   int        // of link
	working bool       // a transaction uses link, and closes it at its end if no hold is left
}

// A link is one connection to a card. Its fields change in transactions only.
type link struct {
	card  driver.Card
	owner *Card
	epoch uint64

	// What holds for one epoch: it is dropped when the card was reset.
	identities map[string]Identity        // by application, once read
	pins       map[pinKey]PINStatus       // the last known state of PINs
	logouts    map[pinKey]func(*Tx) error // what ends the verification of PINs; closing resets the card if any is left
}

// newEpoch forgets what a reset has ended.
func (k *link) newEpoch(n uint64) {
	k.epoch = n
	k.identities, k.pins, k.logouts = nil, nil, nil
}

func (k *link) close() {
	k.card.Close(len(k.logouts) > 0) // an error changes nothing: the connection is gone either way
}

// use notes the connection of the transaction that runs, nil when it ends.
func (l *lane) use(k *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active = k
}

// abort closes the connection under the transaction that runs, whose command does
// not end. The card is reset, so that no PIN stays verified.
func (l *lane) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active != nil {
		l.active.card.Close(true)
	}
}

// hold makes k the shared connection, or counts one more hold of it.
func (l *lane) hold(k *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != k {
		if l.link != nil {
			l.link.close() // to a card that is gone
		}
		l.link, l.holds, l.working = k, 0, true
	}
	l.holds++
}

// unhold ends one hold of k, the last one only if last is set. It reports whether
// nothing is left to do.
func (l *lane) unhold(k *link, last bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.link != k: // the connection was dropped
		return true
	case l.holds > 1 || last:
		l.holds--
		return true
	}
	return false
}

// borrow returns the shared connection of c, nil if there is none.
func (l *lane) borrow(c *Card) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link == nil || l.link.owner != c {
		return nil
	}
	l.working = true
	return l.link
}

// shared returns the shared connection of c without using it.
func (l *lane) shared(c *Card) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link == nil || l.link.owner != c {
		return nil
	}
	return l.link
}

// held reports whether k outlives the transaction that uses it.
func (l *lane) held(k *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.link == k && l.holds > 0
}

// giveBack ends the use of k by a transaction.
func (l *lane) giveBack(k *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link == k {
		l.working = false
		if l.holds > 0 {
			return
		}
		l.link = nil
	}
	k.close()
}

// drop closes k, held or not. If a transaction uses it, its end closes it.
func (l *lane) drop(k *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != k {
		return
	}
	l.holds = 0
	if !l.working {
		l.link = nil
		k.close()
	}
}

// dropAll closes the shared connection. No transaction runs any more, but a hold
// may end at the same time.
func (l *lane) dropAll() {
	l.mu.Lock()
	k := l.link
	l.mu.Unlock()
	if k != nil {
		l.drop(k)
	}
}
