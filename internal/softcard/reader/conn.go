package reader

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Mode says how to connect. The zero value shares the card, by any protocol,
// and waits for the transactions of others.
type Mode struct {
	// Exclusive lets nobody else connect to the card.
	Exclusive bool

	// Protocols are those that the program speaks, zero for all.
	Protocols Protocols

	// NoWait makes Begin, Transmit, Status and Reconnect fail with
	// SharingViolation where they would wait for the transaction of another
	// connection. pcscd answers so; its client library tries again.
	NoWait bool
}

// A Disposition says what becomes of the card at the end of something.
type Disposition int

const (
	Leave   Disposition = iota // nothing
	Reset                      // a warm reset
	Unpower                    // power off and on again, for a software card the same
)

// A Conn is a connection to a card. Its methods are safe for concurrent use.
type Conn struct {
	set    *Set
	slot   *slot
	noWait bool

	// Guarded by the mutex of the set.
	inside *occupant
	event  error // ResetCard or RemovedCard until Reconnect
	gone   error // why there is no connection any more
}

// Connect connects to the card in a reader. It does not wait for a card nor for
// the end of a transaction.
//
// Errors: NoService, UnknownReader, SharingViolation (exclusive where somebody
// is connected, or any where somebody is exclusively), NoSmartcard,
// UnresponsiveCard (mute), ProtoMismatch.
func (s *Set) Connect(reader string, m Mode) (*Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, driver.NoService
	}
	sl := s.slot(reader)
	if sl == nil {
		return nil, driver.UnknownReader
	}
	if sl.exclusive || m.Exclusive && len(sl.conns) > 0 {
		return nil, driver.SharingViolation
	}
	if err := sl.agree(m.Protocols); err != nil {
		return nil, err
	}
	c := &Conn{set: s, slot: sl, noWait: m.NoWait, inside: sl.inside}
	sl.conns = append(sl.conns, c)
	sl.exclusive = m.Exclusive
	sl.keepPower()
	s.announce()
	return c, nil
}

// agree fixes the protocol of the card in the slot, or checks that the one
// spoken is among those wanted.
func (sl *slot) agree(wanted Protocols) error {
	o := sl.inside
	switch {
	case o == nil:
		return driver.NoSmartcard
	case o.mute():
		return driver.UnresponsiveCard
	}
	able := offered(o.atr)
	if o.protocol != 0 {
		able = o.protocol
	}
	p := choose(able, wanted)
	if p == 0 {
		return driver.ProtoMismatch
	}
	o.protocol = p
	return nil
}

// Reader is the name of the reader.
func (c *Conn) Reader() string { return c.slot.name }

// Protocol is what the connection speaks, T0 or T1; 0 when the card is gone.
func (c *Conn) Protocol() Protocols {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.inside.protocol
}

// Status is the state of the reader. It fails as a command would.
func (c *Conn) Status() (State, error) {
	s := c.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.noWait && c.gone == nil && c.slot.turn.holder != nil && c.slot.turn.holder != c {
		return State{}, driver.SharingViolation
	}
	if err := c.fault(); err != nil {
		return State{}, err
	}
	return c.slot.state(), nil
}

// fault is why the connection cannot be used now, nil if it can.
func (c *Conn) fault() error {
	if c.gone != nil {
		return c.gone
	}
	return c.event
}

// A purpose is what a connection wants its turn for.
type purpose int

const (
	toWork     purpose = iota
	toRenew            // a reset or removal does not keep it from that
	toConclude         // nor does it ever fail for not waiting
)

// take waits for the turn of c.
func (c *Conn) take(ctx context.Context, why purpose) error {
	s, tolerant := c.set, why != toWork
	s.mu.Lock()
	if err := c.fault(); err != nil && (!tolerant || c.gone != nil) {
		s.mu.Unlock()
		return err
	}
	t := &c.slot.turn
	if t.take(c) {
		s.mu.Unlock()
		return nil
	}
	if c.noWait && why != toConclude {
		s.mu.Unlock()
		return driver.SharingViolation
	}
	w := t.wait(c, tolerant)
	s.mu.Unlock()

	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.leave(w) && <-w.done == nil {
		t.give(c)
	}
	return ctx.Err()
}

func (c *Conn) give() {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	c.slot.turn.give(c)
}

// Largest command and answer: extended length (ISO/IEC 7816-4, 5.1), header,
// both length fields and 65536 bytes of data.
const (
	maxCommand = 4 + 3 + 65535 + 2
	maxAnswer  = 65536 + 2
)

// Transmit sends one command and returns the answer as the card gave it, be it
// empty. While another connection is in a transaction it waits for the end.
//
// Errors: ResetCard, RemovedCard, InvalidParameter (a command under four
// bytes), InsufficientBuffer (more than an extended length command or answer
// can have), InvalidHandle (closed), ServiceStopped.
func (c *Conn) Transmit(command []byte) ([]byte, error) {
	switch {
	case len(command) < 4:
		return nil, driver.InvalidParameter
	case len(command) > maxCommand:
		return nil, driver.InsufficientBuffer
	}
	if err := c.take(context.Background(), toWork); err != nil {
		return nil, err
	}
	defer c.give()

	c.set.mu.Lock()
	intercept := c.set.intercept
	c.set.mu.Unlock()
	if intercept == nil {
		return c.exchange(command)
	}
	answer, err := intercept(c.Reader(), command, c.exchange)
	if err == nil {
		// What the interceptor did to reader and card counts.
		err = c.check()
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// An Intercept stands between the connections and the cards of a set: send does
// the exchange with the card in the reader. It may change command and answer,
// leave the exchange out, and call every method of the set meanwhile.
type Intercept func(reader string, command []byte, send func([]byte) ([]byte, error)) ([]byte, error)

// Intercept makes f handle each command from now on; nil ends that.
func (s *Set) Intercept(f Intercept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// exchange has the turn of c.
func (c *Conn) exchange(command []byte) ([]byte, error) {
	o := c.card()
	o.exchange.Lock()
	defer o.exchange.Unlock()
	// A connection that was marked before now must not reach the card, and a
	// reset that is due comes first.
	if err := c.check(); err != nil {
		return nil, err
	}
	c.set.resetIfDue(o)
	answer := o.card.Transmit(command)
	if err := c.check(); err != nil {
		return nil, err
	}
	if len(answer) > maxAnswer {
		return nil, driver.InsufficientBuffer
	}
	return bytes.Clone(answer), nil
}

func (c *Conn) card() *occupant {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.inside
}

func (c *Conn) check() error {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.fault()
}

// Begin starts a transaction, after those of others. Transactions of one
// connection nest.
//
// Errors: the context's, ResetCard, RemovedCard, InvalidHandle, ServiceStopped;
// SharingViolation for a connection that does not wait.
func (c *Conn) Begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.take(ctx, toWork)
}

// End ends a transaction. It fails with NotTransacted outside of one, also
// where a reset or the removal of the card has ended it.
func (c *Conn) End(d Disposition) error {
	s := c.set
	s.mu.Lock()
	err := c.fault()
	if err == nil && c.slot.turn.holder != c {
		err = driver.NotTransacted
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	c.reset(d)
	c.give()
	return nil
}

// reset resets the card as d says and tells the other connections. It is called
// in the turn of c.
func (c *Conn) reset(d Disposition) {
	if d == Leave {
		return
	}
	s := c.set
	s.mu.Lock()
	o := c.slot.inside
	if o != nil {
		o.goDark()
		c.slot.noteReset(c)
		c.slot.turn.noteReset()
		_ = c.slot.agree(0) // a card that is mute now has no protocol
	}
	s.mu.Unlock()
	s.settle(o)
}

// Reconnect makes the connection usable again: it takes note of a reset, and of
// a new card in place of one that was removed. With a disposition it resets the
// card first, for all. Only sharing and protocols of the mode count.
//
// Errors: SharingViolation (exclusive where others are connected), NoSmartcard,
// UnresponsiveCard, ProtoMismatch, InvalidHandle, ServiceStopped, the context's.
func (c *Conn) Reconnect(ctx context.Context, m Mode, d Disposition) error {
	return c.reconnect(ctx, m, d, false)
}

// reconnect fails with RemovedCard where the connection has to stay with the
// card that it was made for.
func (c *Conn) reconnect(ctx context.Context, m Mode, d Disposition, sameCard bool) error {
	if err := c.take(ctx, toRenew); err != nil {
		return err
	}
	defer c.give()
	c.reset(d)

	s := c.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.gone != nil {
		return c.gone
	}
	if sameCard && c.event == driver.RemovedCard {
		return c.event
	}
	if err := c.slot.agree(m.Protocols); err != nil {
		return err
	}
	if m.Exclusive && len(c.slot.conns) > 1 {
		return driver.SharingViolation
	}
	if c.slot.exclusive != m.Exclusive {
		c.slot.exclusive = m.Exclusive
		s.announce()
	}
	c.inside, c.event = c.slot.inside, nil
	return nil
}

// Close ends the connection. Where the card is to be reset it waits for the
// transactions of others, as pcscd does; [Conn.Drop] ends that wait. The second
// call does nothing.
func (c *Conn) Close(d Disposition) error {
	if d != Leave && c.take(context.Background(), toConclude) == nil {
		if c.check() != driver.RemovedCard {
			c.reset(d)
		}
	}
	c.end()
	return nil
}

// Drop ends the connection of a program that died, without waiting: a card that
// it held in a transaction is reset.
func (c *Conn) Drop() {
	s := c.set
	s.mu.Lock()
	held := c.gone == nil && c.slot.turn.holder == c
	s.mu.Unlock()
	if held {
		c.reset(Reset)
	}
	c.end()
}

func (c *Conn) end() {
	s := c.set
	s.mu.Lock()
	if c.gone != nil {
		s.mu.Unlock()
		return
	}
	s.forget(c, driver.InvalidHandle)
	s.announce()
	unused := s.unpower(c.slot)
	s.mu.Unlock()
	s.settle(unused)
}

// forget takes a connection out of the books. Its calls fail with cause.
func (s *Set) forget(c *Conn, cause driver.Errno) {
	sl := c.slot
	c.gone = cause
	sl.conns = slices.DeleteFunc(sl.conns, func(x *Conn) bool { return x == c })
	if len(sl.conns) == 0 {
		sl.exclusive = false
	}
	sl.turn.drop(c, cause)
}

// forgetAll forgets the connections to a reader, and that they wait for one
// another.
func (s *Set) forgetAll(sl *slot, cause driver.Errno) {
	sl.turn.clear(cause)
	for _, c := range slices.Clone(sl.conns) {
		s.forget(c, cause)
	}
}

// unpower takes the power from a card that nobody is connected to, now or
// later. What it returns has to be settled once Set.mu is free.
func (s *Set) unpower(sl *slot) *occupant {
	o := sl.inside
	if o == nil || len(sl.conns) > 0 {
		return nil
	}
	if s.PowerDown <= 0 {
		o.goDark()
		return o
	}
	sl.keepPower()
	sl.power = time.AfterFunc(s.PowerDown, func() {
		s.mu.Lock()
		late := sl.inside != o || len(sl.conns) > 0
		if !late {
			o.goDark()
		}
		s.mu.Unlock()
		if !late {
			s.settle(o)
		}
	})
	return nil
}
