package card

import (
	"sync"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A lane is what one process does with one reader: its sections take turns, and
// share a connection as long as somebody holds the card.
type lane struct {
	turn   chan struct{} // has a token in it while a section runs
	resets uint64        // that sections came upon; changes in sections only

	mu      sync.Mutex // guards what follows
	link    *link      // the connection that sections share; nil while nobody holds the card
	holds   int        // of link
	working bool       // a section uses link, and closes it at its end if nobody holds it
}

// A link is one connection to a card. Its fields change in sections only.
type link struct {
	card   driver.Card
	events uint32
	epoch  uint64

	// logouts end what was verified over this connection, by the name of what
	// was verified. What is left when the connection closes dies by a reset.
	logouts map[string]func(*Tx) error
}

func (k *link) close() {
	k.card.Close(len(k.logouts) > 0) // nobody to tell: the connection is gone either way
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

// unhold takes back one hold of k, the last one only if last is set. It reports
// whether there is nothing more to do.
func (l *lane) unhold(k *link, last bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.link != k: // it died meanwhile
		return true
	case l.holds > 1 || last:
		l.holds--
		return true
	}
	return false
}

// borrow returns the shared connection to the card with that event count, nil
// where there is none.
func (l *lane) borrow(events uint32) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link == nil || l.link.events != events {
		return nil
	}
	l.working = true
	return l.link
}

// held reports whether k outlives the section that uses it.
func (l *lane) held(k *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.link == k && l.holds > 0
}

// giveBack ends the use of k by a section.
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

// drop closes k, held or not. If a section uses it, that closes it.
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

// dropAll closes the shared connection. No section runs any more, but a hold may
// end at the same time.
func (l *lane) dropAll() {
	l.mu.Lock()
	k := l.link
	l.mu.Unlock()
	if k != nil {
		l.drop(k)
	}
}
