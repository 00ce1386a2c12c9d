package enumerate

import (
	"sync"
	"sync/atomic"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/gids"
)

// A memory is what a Finder knows of the cards that are in their readers, so that a
// card which says that nothing has changed need not be read again.
type memory struct {
	mu    sync.Mutex
	cards map[string]*acquaintance // by reader
}

// An acquaintance is what is known of one card for as long as it stays.
type acquaintance struct {
	card   *card.Card
	gids   *gids.Card
	notPIV atomic.Bool // it has the other application alone
}

// known is what is known of a card.
func (f *Finder) known(c *card.Card) *acquaintance {
	m := &f.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.cards[c.Reader()]
	if a == nil || a.card != c {
		a = &acquaintance{card: c, gids: gids.New(c)}
		if m.cards == nil {
			m.cards = make(map[string]*acquaintance)
		}
		m.cards[c.Reader()] = a
	}
	return a
}

// forget is for a card that turned out to be another one.
func (f *Finder) forget(a *acquaintance) {
	m := &f.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cards[a.card.Reader()] == a {
		delete(m.cards, a.card.Reader())
	}
}
