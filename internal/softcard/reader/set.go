package reader

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// A Card is what can be put into a reader. Its methods are never called
// concurrently, and must not call the [Set] that holds the card.
type Card interface {
	// ATR is the answer to reset, two to 33 bytes. A card with any other is
	// mute. It is asked for at insertion and after each reset.
	ATR() []byte

	// Transmit answers one command, status word included. It must not keep
	// the command.
	Transmit(command []byte) []byte

	// Reset is a reset or the loss of power: selection, PIN state and pending
	// chains are gone.
	Reset()
}

// A Set is a set of readers together with the service that watches them. Its
// zero value is a running service without readers. It is safe for concurrent
// use and starts no goroutine.
type Set struct {
	// PowerDown is how long a card keeps its power, and so its PIN state,
	// after the last connection to it is closed. Zero is not at all. Real
	// services take between 0.4 and 5 seconds, so programs cannot rely on any
	// time; zero is the default because it shows at once, and always, who
	// does. It must not change after the first connection.
	PowerDown time.Duration

	mu        sync.Mutex // guards everything below, slots and connections included
	slots     []*slot
	stopped   bool
	changed   chan struct{} // closed at the next change, nil while nobody looks
	intercept Intercept
}

// New makes a set of empty readers with the given names.
func New(names ...string) *Set {
	s := new(Set)
	for _, name := range names {
		if err := s.Add(name); err != nil {
			panic("reader: " + err.Error())
		}
	}
	return s
}

// A slot is one reader.
type slot struct {
	name      string
	events    uint16
	inside    *occupant // nil while empty
	conns     []*Conn
	exclusive bool // the one connection lets nobody else connect
	turn      turn
	power     *time.Timer     // will take the power from an unused card
	typed     func() []string // see SetPad
}

// An occupant is a card for as long as it stays in a reader.
type occupant struct {
	card Card

	// exchange serializes the calls of card. It is taken before Set.mu, never
	// while Set.mu is held.
	exchange sync.Mutex

	// The rest is guarded by Set.mu.
	atr      []byte
	protocol Protocols // spoken since the last reset, 0 = not chosen yet
	dirty    bool      // a reset is due before the next command
}

func (o *occupant) mute() bool { return len(o.atr) == 0 }

// goDark takes the power away. The protocol is chosen anew at the next start.
func (o *occupant) goDark() { o.dirty, o.protocol = true, 0 }

// A State is what a service tells of one reader.
type State struct {
	Name    string
	Events  uint32 // insertions and removals, modulo 65536
	Present bool   // a card is in the reader
	Mute    bool   // and does not answer to reset
	ATR     []byte // nil without a card and for a mute one

	// Sharing is the number of connections, or -1 for an exclusive one.
	Sharing int

	// Protocol is what connections to the card speak, 0 before the first one.
	Protocol Protocols
}

// Snapshot returns the state of the readers, in the order in which they were
// added, and a channel that is closed at the first change after this moment;
// connecting and disconnecting are changes. While the service is stopped the
// error is NoService and the channel is closed at its return.
func (s *Set) Snapshot() ([]State, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	if s.stopped {
		return nil, s.changed, driver.NoService
	}
	states := make([]State, len(s.slots))
	for i, sl := range s.slots {
		states[i] = sl.state()
	}
	return states, s.changed, nil
}

func (sl *slot) state() State {
	st := State{Name: sl.name, Events: uint32(sl.events), Sharing: len(sl.conns)}
	if sl.exclusive {
		st.Sharing = -1
	}
	if o := sl.inside; o != nil {
		st.Present, st.Mute, st.ATR, st.Protocol = true, o.mute(), bytes.Clone(o.atr), o.protocol
	}
	return st
}

// announce wakes everybody who looks at a snapshot.
func (s *Set) announce() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Add plugs in an empty reader. Names are one to 127 bytes and unique.
func (s *Set) Add(name string) error { return s.Plug(name, nil) }

// Plug plugs in a reader with a card in it, as a one-piece token is; nil is an
// empty reader. As in pcscd, the event counter does not count that card.
func (s *Set) Plug(name string, c Card) error {
	if name == "" || len(name) > pcsclite.MaxReaderName {
		return fmt.Errorf("reader name of %d bytes, want 1 to %d", len(name), pcsclite.MaxReaderName)
	}
	o := powerUp(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slot(name) != nil {
		return fmt.Errorf("there is a reader %q already", name)
	}
	s.slots = append(s.slots, &slot{name: name, inside: o})
	s.announce()
	return nil
}

// Replace unplugs a reader and plugs in another of the same name, with another
// card in it, as when a one-piece token is exchanged for one of the same model.
// The connections fail with ReaderUnavailable from then on. No snapshot shows the
// moment between the two, and the event counter stands where it was: to tell the
// cards apart, a program has to read them.
func (s *Set) Replace(name string, c Card) error {
	o := powerUp(c)
	s.mu.Lock()
	old := s.slot(name)
	if old == nil {
		s.mu.Unlock()
		return driver.UnknownReader
	}
	if old.inside == nil {
		s.mu.Unlock()
		return driver.NoSmartcard
	}
	s.forgetAll(old, driver.ReaderUnavailable)
	old.keepPower()
	old.inside.goDark()
	s.slots[slices.Index(s.slots, old)] = &slot{name: name, events: old.events, inside: o, typed: old.typed}
	s.announce()
	s.mu.Unlock()
	s.settle(old.inside)
	return nil
}

// Detach unplugs a reader together with the card in it. Its connections fail
// with ReaderUnavailable from then on.
func (s *Set) Detach(name string) error {
	s.mu.Lock()
	sl := s.slot(name)
	if sl == nil {
		s.mu.Unlock()
		return driver.UnknownReader
	}
	s.forgetAll(sl, driver.ReaderUnavailable)
	out := s.takeOut(sl)
	s.slots = slices.DeleteFunc(s.slots, func(x *slot) bool { return x == sl })
	s.announce()
	s.mu.Unlock()
	s.settle(out)
	return nil
}

// Insert puts a card into an empty reader. It gets power, so its Reset is
// called. A card can be in one reader at a time.
func (s *Set) Insert(name string, c Card) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.empty(name); err != nil {
		return err
	}
	// The card may take its time, so nobody waits for it. It is seen only
	// together with its answer to reset.
	s.mu.Unlock()
	o := powerUp(c)
	s.mu.Lock()
	sl, err := s.empty(name)
	if err != nil {
		return err
	}
	sl.inside = o
	sl.events++
	s.announce()
	return nil
}

func (s *Set) empty(name string) (*slot, error) {
	sl := s.slot(name)
	if sl == nil {
		return nil, driver.UnknownReader
	}
	if sl.inside != nil {
		return nil, fmt.Errorf("there is a card in reader %q already", name)
	}
	return sl, nil
}

// powerUp resets a card before it is seen. It calls the card, so Set.mu is free.
func powerUp(c Card) *occupant {
	if c == nil {
		return nil
	}
	c.Reset()
	return &occupant{card: c, atr: answer(c)}
}

// answer is the card's answer to reset, nil for a mute card.
func answer(c Card) []byte {
	atr := c.ATR()
	if len(atr) < 2 || len(atr) > maxATR {
		return nil
	}
	return bytes.Clone(atr)
}

// Remove takes the card out of a reader; of an empty one too, which does
// nothing. When it returns the card has lost its power.
func (s *Set) Remove(name string) error {
	s.mu.Lock()
	sl := s.slot(name)
	if sl == nil {
		s.mu.Unlock()
		return driver.UnknownReader
	}
	out := s.takeOut(sl)
	if out != nil {
		s.announce()
	}
	s.mu.Unlock()
	s.settle(out)
	return nil
}

// takeOut empties the slot. The card that was in it has to be settled once
// Set.mu is free.
func (s *Set) takeOut(sl *slot) *occupant {
	out := sl.inside
	if out == nil {
		return nil
	}
	sl.inside = nil
	sl.events++
	sl.keepPower()
	out.goDark()
	for _, c := range sl.conns {
		c.event = driver.RemovedCard
	}
	sl.turn.clear(driver.RemovedCard)
	return out
}

// Reset resets the card in a reader from outside, as Windows does with a card
// that is held too long: transactions are over, and every connection has to
// take note.
func (s *Set) Reset(name string) error {
	s.mu.Lock()
	sl := s.slot(name)
	if sl == nil {
		s.mu.Unlock()
		return driver.UnknownReader
	}
	o := sl.inside
	if o == nil {
		s.mu.Unlock()
		return driver.NoSmartcard
	}
	o.dirty = true
	sl.noteReset(nil)
	sl.turn.clear(driver.ResetCard)
	s.mu.Unlock()
	s.settle(o)
	return nil
}

// noteReset marks the connections to the card, but for the one that caused the
// reset.
func (sl *slot) noteReset(by *Conn) {
	for _, c := range sl.conns {
		if c != by && c.event == nil {
			c.event = driver.ResetCard
		}
	}
}

// settle resets a card where that is due. It waits for the end of an exchange.
func (s *Set) settle(o *occupant) {
	if o == nil {
		return
	}
	o.exchange.Lock()
	defer o.exchange.Unlock()
	s.resetIfDue(o)
}

// resetIfDue is called with the exchange of o taken. Whoever uses the card
// first after a reset became due does it, so no command is in time to get
// between.
func (s *Set) resetIfDue(o *occupant) {
	s.mu.Lock()
	due := o.dirty
	o.dirty = false
	s.mu.Unlock()
	if !due {
		return
	}
	o.card.Reset()
	atr := answer(o.card)
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Equal(atr, o.atr) {
		return
	}
	o.atr = atr
	if o.protocol != 0 {
		o.protocol = choose(offered(atr), o.protocol)
	}
	s.announce()
}

// keepPower stops the timer that would take the power from the card.
func (sl *slot) keepPower() {
	if sl.power != nil {
		sl.power.Stop()
		sl.power = nil
	}
}

// Stop ends the service as if its process had died: connections and waits fail
// with ServiceStopped, new calls with NoService, cards lose their power. Cards
// and readers can still be plugged in and out. Stopping twice does nothing.
func (s *Set) Stop() {
	s.mu.Lock()
	s.stopped = true
	var dark []*occupant
	for _, sl := range s.slots {
		s.forgetAll(sl, driver.ServiceStopped)
		sl.keepPower()
		if sl.inside != nil {
			sl.inside.goDark()
			dark = append(dark, sl.inside)
		}
	}
	s.announce()
	s.mu.Unlock()
	for _, o := range dark {
		s.settle(o)
	}
}

// Start lets a stopped service run again. It cannot know what happened to the
// cards in the meantime, so it counts each of them as inserted anew.
func (s *Set) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		return
	}
	s.stopped = false
	for _, sl := range s.slots {
		if sl.inside != nil {
			sl.events++
		}
	}
	s.announce()
}

func (s *Set) slot(name string) *slot {
	for _, sl := range s.slots {
		if sl.name == name {
			return sl
		}
	}
	return nil
}
