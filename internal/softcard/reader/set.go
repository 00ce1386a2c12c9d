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

// A Card can be inserted into a reader. Its methods are never called concurrently,
// and must not call the [Set] that holds the card.
type Card interface {
	// ATR returns the answer to reset, two to 33 bytes. A card that returns any
	// other length is mute. It is called at insertion and after each reset.
	ATR() []byte

	// Transmit returns the response to a command, status word included. It must
	// not keep the command.
	Transmit(command []byte) []byte

	// Reset resets the card, also when it loses power: it clears the selection,
	// the PIN state and pending chains.
	Reset()
}

// A Set is a set of readers and the service that watches them. Its zero value is a
// running service without readers. It is safe for concurrent use. Each command runs
// on a goroutine, which a closed connection may leave behind until the card responds.
type Set struct {
	// PowerDown is how long a card keeps its power, and so its PIN state, after
	// the last connection to it is closed. Real services take between 0.4 and 5
	// seconds, so no program may rely on it: with the default, zero, a test of a
	// program that does fails every time. It must not change after the first
	// connection.
	PowerDown time.Duration

	mu        sync.Mutex // guards everything below, slots and connections included
	slots     []*slot
	stopped   bool
	changed   chan struct{} // closed at the next change; nil if no snapshot waits for it
	intercept Intercept
}

// New returns a set of empty readers with the given names.
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
	inserted  *insertion // nil while empty
	conns     []*Conn
	exclusive bool // the one connection is exclusive
	turn      turn
	power     *time.Timer     // pending loss of power of an unused card
	typed     func() []string // see SetPad
	limit     Limit
}

// An insertion is a card from its insertion to its removal.
type insertion struct {
	card Card

	// exchange serializes the calls of card. It is locked before Set.mu, never
	// while Set.mu is held.
	exchange sync.Mutex

	// Set.mu guards the rest.
	atr      []byte
	protocol Protocols // in use since the last reset, 0 = not chosen yet
	dirty    bool      // a reset is due before the next command
}

func (i *insertion) mute() bool { return len(i.atr) == 0 }

// powerOff marks the card for a reset and lets the next connection choose the
// protocol.
func (i *insertion) powerOff() { i.dirty, i.protocol = true, 0 }

// A State is the state of one reader.
type State struct {
	Name    string
	Events  uint32 // insertions and removals, modulo 65536
	Present bool   // a card is in the reader
	Mute    bool   // and does not answer to reset
	ATR     []byte // nil without a card and for a mute one

	// Sharing is the number of connections, or -1 for an exclusive one.
	Sharing int

	// Protocol is the protocol of the connections, 0 before the first one.
	Protocol Protocols
}

// Snapshot returns the state of the readers, in the order in which they were
// added, and a channel that is closed at the next change; connecting and
// disconnecting are changes. While the service is stopped, the error is NoService
// and the channel is closed when the service starts.
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
	if in := sl.inserted; in != nil {
		st.Present, st.Mute, st.ATR, st.Protocol = true, in.mute(), bytes.Clone(in.atr), in.protocol
	}
	return st
}

// notify closes the channel of the snapshots taken so far.
func (s *Set) notify() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Add plugs in an empty reader. Names are one to 127 bytes and unique.
func (s *Set) Add(name string) error { return s.Plug(name, nil) }

// Plug plugs in a reader with a card in it, as a one-piece token is; a nil card is
// an empty reader. As in pcscd, the event counter does not count that card.
func (s *Set) Plug(name string, c Card) error {
	if name == "" || len(name) > pcsclite.MaxReaderName {
		return fmt.Errorf("reader name of %d bytes, want 1 to %d", len(name), pcsclite.MaxReaderName)
	}
	in := powerUp(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slot(name) != nil {
		return fmt.Errorf("reader %q exists already", name)
	}
	s.slots = append(s.slots, &slot{name: name, inserted: in})
	s.notify()
	return nil
}

// Replace unplugs a reader with a card and plugs in another one of the same name
// with c in it, as when a one-piece token is exchanged for one of the same model.
// The connections fail with ReaderUnavailable. No snapshot shows the reader
// missing, and the event counter keeps its value, so a program can distinguish the
// two cards only by reading them.
func (s *Set) Replace(name string, c Card) error {
	in := powerUp(c)
	s.mu.Lock()
	old := s.slot(name)
	if old == nil {
		s.mu.Unlock()
		return driver.UnknownReader
	}
	removed := old.inserted
	if removed == nil {
		s.mu.Unlock()
		return driver.NoSmartcard
	}
	conns := s.disconnectAll(old, driver.ReaderUnavailable)
	old.keepPower()
	removed.powerOff()
	s.slots[slices.Index(s.slots, old)] = &slot{name: name, events: old.events, inserted: in, typed: old.typed, limit: old.limit}
	s.notify()
	s.mu.Unlock()
	s.finish([]*insertion{removed}, conns)
	return nil
}

// Detach unplugs a reader together with the card in it. Its connections fail with
// ReaderUnavailable.
func (s *Set) Detach(name string) error {
	s.mu.Lock()
	sl := s.slot(name)
	if sl == nil {
		s.mu.Unlock()
		return driver.UnknownReader
	}
	conns := s.disconnectAll(sl, driver.ReaderUnavailable)
	var unpowered []*insertion
	if removed := s.remove(sl); removed != nil {
		unpowered = append(unpowered, removed)
	}
	s.slots = slices.DeleteFunc(s.slots, func(x *slot) bool { return x == sl })
	s.notify()
	s.mu.Unlock()
	s.finish(unpowered, conns)
	return nil
}

// Insert puts a card into an empty reader and calls its Reset, since it gets power.
// A card can be in one reader at a time.
func (s *Set) Insert(name string, c Card) error {
	s.mu.Lock()
	_, err := s.emptySlot(name)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	in := powerUp(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	sl, err := s.emptySlot(name)
	if err != nil {
		return err
	}
	sl.inserted = in
	sl.events++
	s.notify()
	return nil
}

func (s *Set) emptySlot(name string) (*slot, error) {
	sl := s.slot(name)
	if sl == nil {
		return nil, driver.UnknownReader
	}
	if sl.inserted != nil {
		return nil, fmt.Errorf("reader %q holds a card already", name)
	}
	return sl, nil
}

// powerUp resets a card and reads its answer to reset, which must be complete
// before a snapshot shows the card. Set.mu must be free: the card may be slow.
func powerUp(c Card) *insertion {
	if c == nil {
		return nil
	}
	c.Reset()
	return &insertion{card: c, atr: readATR(c)}
}

// readATR returns the card's answer to reset, nil for a mute card.
func readATR(c Card) []byte {
	atr := c.ATR()
	if len(atr) < 2 || len(atr) > maxATR {
		return nil
	}
	return bytes.Clone(atr)
}

// Remove takes the card out of a reader, and does nothing if the reader is empty.
// When it returns, the card has lost its power.
func (s *Set) Remove(name string) error {
	s.mu.Lock()
	sl := s.slot(name)
	if sl == nil {
		s.mu.Unlock()
		return driver.UnknownReader
	}
	removed := s.remove(sl)
	if removed != nil {
		s.notify()
	}
	s.mu.Unlock()
	s.resetIfDue(removed)
	return nil
}

// remove empties the slot and returns the card that was in it. The caller resets
// it once Set.mu is free.
func (s *Set) remove(sl *slot) *insertion {
	removed := sl.inserted
	if removed == nil {
		return nil
	}
	sl.inserted = nil
	sl.events++
	sl.keepPower()
	removed.powerOff()
	for _, c := range sl.conns {
		c.event = driver.RemovedCard
	}
	sl.turn.clear(driver.RemovedCard)
	return removed
}

// Reset resets the card in a reader from outside, as Windows does with a card that
// is held too long: transactions end, and every connection fails with ResetCard
// until it reconnects.
func (s *Set) Reset(name string) error {
	s.mu.Lock()
	sl := s.slot(name)
	if sl == nil {
		s.mu.Unlock()
		return driver.UnknownReader
	}
	in := sl.inserted
	if in == nil {
		s.mu.Unlock()
		return driver.NoSmartcard
	}
	in.dirty = true
	sl.noteReset(nil)
	sl.turn.clear(driver.ResetCard)
	s.mu.Unlock()
	s.resetIfDue(in)
	return nil
}

// noteReset marks the connections to the card, except the one that caused the
// reset.
func (sl *slot) noteReset(by *Conn) {
	for _, c := range sl.conns {
		if c != by && c.event == nil {
			c.event = driver.ResetCard
		}
	}
}

// resetIfDue resets a card that is marked for it, after the exchange under way.
// Set.mu must be free.
func (s *Set) resetIfDue(in *insertion) {
	if in == nil {
		return
	}
	in.exchange.Lock()
	defer in.exchange.Unlock()
	s.resetLocked(in)
}

// resetSoon is resetIfDue, but does not wait for the exchange that a closed
// connection left behind: the reset follows it.
func (s *Set) resetSoon(in *insertion) {
	if in == nil {
		return
	}
	if !in.exchange.TryLock() {
		go s.resetIfDue(in)
		return
	}
	defer in.exchange.Unlock()
	s.resetLocked(in)
}

// resetLocked is resetIfDue with in.exchange locked. Every exchange begins with it,
// so that no command reaches the card between the mark and the reset.
func (s *Set) resetLocked(in *insertion) {
	s.mu.Lock()
	due := in.dirty
	in.dirty = false
	s.mu.Unlock()
	if !due {
		return
	}
	in.card.Reset()
	atr := readATR(in.card)
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Equal(atr, in.atr) {
		return
	}
	in.atr = atr
	if in.protocol != 0 {
		in.protocol = choose(offered(atr), in.protocol)
	}
	s.notify()
}

// keepPower stops the timer that would power the card down.
func (sl *slot) keepPower() {
	if sl.power != nil {
		sl.power.Stop()
		sl.power = nil
	}
}

// Stop stops the service as if its process had been killed: connections and waits fail
// with ServiceStopped, new calls with NoService, and cards lose their power. Cards
// and readers can still be plugged in and out. A second Stop does nothing.
func (s *Set) Stop() {
	s.mu.Lock()
	s.stopped = true
	var unpowered []*insertion
	var conns []*Conn
	for _, sl := range s.slots {
		conns = append(conns, s.disconnectAll(sl, driver.ServiceStopped)...)
		sl.keepPower()
		if sl.inserted != nil {
			sl.inserted.powerOff()
			unpowered = append(unpowered, sl.inserted)
		}
	}
	s.notify()
	s.mu.Unlock()
	s.finish(unpowered, conns)
}

// Start starts a stopped service. The service did not see what happened to the
// cards meanwhile, so it counts an insertion for each card.
func (s *Set) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		return
	}
	s.stopped = false
	for _, sl := range s.slots {
		if sl.inserted != nil {
			sl.events++
		}
	}
	s.notify()
}

func (s *Set) slot(name string) *slot {
	for _, sl := range s.slots {
		if sl.name == name {
			return sl
		}
	}
	return nil
}
