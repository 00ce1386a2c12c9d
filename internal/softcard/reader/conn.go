package reader

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Mode is how to connect. The zero value shares the card, uses any protocol, and
// waits for the transactions of others.
type Mode struct {
	// Exclusive keeps other connections off the card.
	Exclusive bool

	// Protocols are those that the program supports, zero for all.
	Protocols Protocols

	// NoWait makes Begin, Transmit, Status and Reconnect fail with
	// SharingViolation instead of waiting for the transaction of another
	// connection. pcscd responds so; its client library retries.
	NoWait bool
}

// A Disposition is what to do with the card at the end of a transaction or a
// connection.
type Disposition int

const (
	Leave   Disposition = iota // nothing
	Reset                      // a warm reset
	Unpower                    // power off and on again; for a software card the same as Reset
)

// A Conn is a connection to a card. Its methods are safe for concurrent use.
type Conn struct {
	set    *Set
	slot   *slot
	noWait bool

	over chan struct{} // closed when the connection ends

	// The mutex of the set guards the rest.
	inserted *insertion
	protocol Protocols // agreed on by Connect, Reconnect or a reset of this connection
	event    error     // ResetCard or RemovedCard until Reconnect
	ended    error     // why the connection ended
}

// Connect connects to the card in a reader. It waits neither for a card nor for the
// end of a transaction.
//
// Errors: NoService, UnknownReader, SharingViolation (an exclusive connection
// exists, or an exclusive one is asked for and any connection exists), NoSmartcard,
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
	if err := sl.negotiate(m.Protocols); err != nil {
		return nil, err
	}
	c := &Conn{set: s, slot: sl, noWait: m.NoWait, over: make(chan struct{}), inserted: sl.inserted, protocol: sl.inserted.protocol}
	sl.conns = append(sl.conns, c)
	sl.exclusive = m.Exclusive
	sl.keepPower()
	s.notify()
	return c, nil
}

// negotiate chooses the protocol of the card in the slot, or checks that the one in
// use is among those wanted.
func (sl *slot) negotiate(wanted Protocols) error {
	in := sl.inserted
	switch {
	case in == nil:
		return driver.NoSmartcard
	case in.mute():
		return driver.UnresponsiveCard
	}
	able := offered(in.atr)
	if in.protocol != 0 {
		able = in.protocol
	}
	p := choose(able, wanted)
	if p == 0 {
		return driver.ProtoMismatch
	}
	in.protocol = p
	return nil
}

// Reader returns the name of the reader.
func (c *Conn) Reader() string { return c.slot.name }

// Protocol returns the protocol of the connection, T0 or T1, also after the card was
// reset by another connection or removed.
func (c *Conn) Protocol() Protocols {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.protocol
}

// Status returns the state of the reader. It fails as a command would.
func (c *Conn) Status() (State, error) {
	s := c.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.noWait && c.ended == nil && c.slot.turn.holder != nil && c.slot.turn.holder != c {
		return State{}, driver.SharingViolation
	}
	if err := c.err(); err != nil {
		return State{}, err
	}
	return c.slot.state(), nil
}

// err returns why the connection cannot be used now, nil if it can.
func (c *Conn) err() error {
	if c.ended != nil {
		return c.ended
	}
	return c.event
}

// checkErr is err for callers that do not hold the mutex.
func (c *Conn) checkErr() error {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.err()
}

// A purpose is what a connection acquires the card for.
type purpose int

const (
	forCommand   purpose = iota
	forReconnect         // succeeds after a reset or removal
	forClose             // and waits in any mode
)

// acquire waits until c holds the card.
func (c *Conn) acquire(ctx context.Context, p purpose) error {
	s, survivesReset := c.set, p != forCommand
	s.mu.Lock()
	if err := c.err(); err != nil && (!survivesReset || c.ended != nil) {
		s.mu.Unlock()
		return err
	}
	t := &c.slot.turn
	if t.acquire(c) {
		s.mu.Unlock()
		return nil
	}
	if c.noWait && p != forClose {
		s.mu.Unlock()
		return driver.SharingViolation
	}
	w := t.enqueue(c, survivesReset)
	s.mu.Unlock()

	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.dequeue(w) && <-w.done == nil {
		t.release(c)
	}
	return fmt.Errorf("%w: %w", driver.SharingViolation, ctx.Err())
}

func (c *Conn) release() {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	c.slot.turn.release(c)
}

// Largest command and response: extended length (ISO/IEC 7816-4, 5.1), header, both
// length fields and 65536 bytes of data.
const (
	maxCommand  = 4 + 3 + 65535 + 2
	maxResponse = 65536 + 2
)

// Transmit sends one command and returns the response of the card unchanged, even
// if it is empty. It waits for the end of another connection's transaction. If the
// connection ends before the card responds, Transmit returns and leaves the exchange
// behind: the next command waits for it.
//
// Errors: ResetCard, RemovedCard, InvalidParameter (a command under four bytes),
// NotTransacted (longer than the reader carries; see Limit),
// InsufficientBuffer (longer than an extended length command or response can be),
// InvalidHandle (closed), ServiceStopped.
func (c *Conn) Transmit(command []byte) ([]byte, error) {
	switch {
	case len(command) < 4:
		return nil, driver.InvalidParameter
	case len(command) > maxCommand:
		return nil, driver.InsufficientBuffer
	}
	if err := c.acquire(context.Background(), forCommand); err != nil {
		return nil, err
	}
	command = bytes.Clone(command) // it may outlast the call
	return c.untilOver(func() ([]byte, error) {
		defer c.release()
		defer clear(command)
		return c.perform(command)
	})
}

// untilOver runs call and returns its result, or the error of the connection if that
// ends first.
func (c *Conn) untilOver(call func() ([]byte, error)) ([]byte, error) {
	type result struct {
		response []byte
		err      error
	}
	done := make(chan result, 1)
	go func() {
		response, err := call()
		done <- result{response, err}
	}()
	select {
	case r := <-done:
		return r.response, r.err
	case <-c.over:
		return nil, c.checkErr()
	}
}

// perform sends a command to the card, which c holds, by way of the interceptor.
func (c *Conn) perform(command []byte) ([]byte, error) {
	c.set.mu.Lock()
	intercept := c.set.intercept
	c.set.mu.Unlock()
	if intercept == nil {
		return c.exchange(command)
	}
	response, err := intercept(c.Reader(), command, c.exchange)
	if err == nil {
		// The interceptor may have removed or reset the card.
		err = c.checkErr()
	}
	if err != nil {
		return nil, err
	}
	return response, nil
}

// An Intercept runs in place of an exchange; send performs the exchange with the
// card in the reader. It may change command and response, omit the exchange, and
// call every method of the set.
type Intercept func(reader string, command []byte, send func([]byte) ([]byte, error)) ([]byte, error)

// Intercept sets the function that runs in place of each exchange; nil removes it.
func (s *Set) Intercept(f Intercept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// exchange sends a command to the card, which c holds.
func (c *Conn) exchange(command []byte) ([]byte, error) {
	in := c.insertion()
	in.exchange.Lock()
	defer in.exchange.Unlock()
	// A connection that was reset or removed meanwhile must not reach the card,
	// and a reset that is due comes first.
	if err := c.checkErr(); err != nil {
		return nil, err
	}
	c.set.resetLocked(in)
	if most := c.Limit().MaxCommand; most > 0 && len(command) > most {
		return nil, driver.NotTransacted
	}
	response := in.card.Transmit(command)
	if err := c.checkErr(); err != nil {
		return nil, err
	}
	if len(response) > maxResponse {
		return nil, driver.InsufficientBuffer
	}
	return bytes.Clone(response), nil
}

func (c *Conn) insertion() *insertion {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.inserted
}

// Begin starts a transaction, after those of other connections. Transactions of one
// connection nest.
//
// Errors: the context's, ResetCard, RemovedCard, InvalidHandle, ServiceStopped, and
// SharingViolation with NoWait.
func (c *Conn) Begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.acquire(ctx, forCommand)
}

// End ends a transaction. It fails with NotTransacted if there is none, also after
// a reset or a removal ended it.
func (c *Conn) End(d Disposition) error {
	s := c.set
	s.mu.Lock()
	err := c.err()
	if err == nil && c.slot.turn.holder != c {
		err = driver.NotTransacted
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	c.reset(d)
	c.release()
	return nil
}

// reset resets the card, which c holds, and marks the other connections.
func (c *Conn) reset(d Disposition) {
	if d == Leave {
		return
	}
	s := c.set
	s.mu.Lock()
	in := c.slot.inserted
	if in != nil {
		in.powerOff()
		c.slot.noteReset(c)
		c.slot.turn.failOnReset()
		if c.slot.negotiate(0) == nil { // a mute card has no protocol
			c.protocol = in.protocol
		}
	}
	s.mu.Unlock()
	s.resetSoon(in)
}

// Reconnect makes the connection usable again after a reset, or connects it to the
// card inserted after a removal. With a disposition it first resets the card for all
// connections. Only sharing and protocols of the mode count.
//
// Errors: SharingViolation (exclusive while others are connected), NoSmartcard,
// UnresponsiveCard, ProtoMismatch, InvalidHandle, ServiceStopped, the context's.
func (c *Conn) Reconnect(ctx context.Context, m Mode, d Disposition) error {
	return c.reconnect(ctx, m, d, false)
}

// reconnect with sameCard fails with RemovedCard after a removal.
func (c *Conn) reconnect(ctx context.Context, m Mode, d Disposition, sameCard bool) error {
	if err := c.acquire(ctx, forReconnect); err != nil {
		return err
	}
	defer c.release()
	c.reset(d)

	s := c.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.ended != nil {
		return c.ended
	}
	if sameCard && c.event == driver.RemovedCard {
		return c.event
	}
	if err := c.slot.negotiate(m.Protocols); err != nil {
		return err
	}
	if m.Exclusive && len(c.slot.conns) > 1 {
		return driver.SharingViolation
	}
	if c.slot.exclusive != m.Exclusive {
		c.slot.exclusive = m.Exclusive
		s.notify()
	}
	c.inserted, c.event = c.slot.inserted, nil
	c.protocol = c.inserted.protocol
	return nil
}

// Close ends the connection and every call under way on it, also one that waits for a
// card that does not respond. To reset the card, it waits for the transactions of
// others, as pcscd does; [Conn.Drop] ends that wait. A second Close does nothing.
func (c *Conn) Close(d Disposition) error {
	if d != Leave && c.acquire(context.Background(), forClose) == nil {
		if c.checkErr() != driver.RemovedCard {
			c.reset(d)
		}
	}
	c.end()
	return nil
}

// Drop ends the connection of a killed program, without waiting: a card that it
// held in a transaction is reset.
func (c *Conn) Drop() {
	s := c.set
	s.mu.Lock()
	held := c.ended == nil && c.slot.turn.holder == c
	s.mu.Unlock()
	if held {
		c.reset(Reset)
	}
	c.end()
}

func (c *Conn) end() {
	s := c.set
	s.mu.Lock()
	if c.ended != nil {
		s.mu.Unlock()
		return
	}
	s.disconnect(c, driver.InvalidHandle)
	close(c.over)
	s.notify()
	unpowered := s.powerDown(c.slot)
	s.mu.Unlock()
	s.resetSoon(unpowered)
}

// disconnect removes a connection from its slot. Its calls fail with cause; the
// caller closes over to end the one under way.
func (s *Set) disconnect(c *Conn, cause driver.Errno) {
	sl := c.slot
	c.ended = cause
	sl.conns = slices.DeleteFunc(sl.conns, func(x *Conn) bool { return x == c })
	if len(sl.conns) == 0 {
		sl.exclusive = false
	}
	sl.turn.drop(c, cause)
}

// disconnectAll ends the waits of all connections to a reader before the
// connections, so that none of them acquires the card in between. It returns the
// connections for [Set.finish].
func (s *Set) disconnectAll(sl *slot, cause driver.Errno) []*Conn {
	sl.turn.clear(cause)
	conns := slices.Clone(sl.conns)
	for _, c := range conns {
		s.disconnect(c, cause)
	}
	return conns
}

// finish resets cards that lost their power and ends the calls under way of
// disconnected connections. A card in an exchange is reset after it, any other one
// before the calls return, so that a program that learns of the end finds the card
// reset. Set.mu must be free.
func (s *Set) finish(unpowered []*insertion, conns []*Conn) {
	var busy []*insertion
	for _, in := range unpowered {
		if !in.exchange.TryLock() {
			busy = append(busy, in)
			continue
		}
		s.resetLocked(in)
		in.exchange.Unlock()
	}
	for _, c := range conns {
		close(c.over)
	}
	for _, in := range busy {
		s.resetIfDue(in)
	}
}

// powerDown powers a card without connections down, now or after PowerDown. The
// caller resets the card that it returns once Set.mu is free.
func (s *Set) powerDown(sl *slot) *insertion {
	in := sl.inserted
	if in == nil || len(sl.conns) > 0 {
		return nil
	}
	if s.PowerDown <= 0 {
		in.powerOff()
		return in
	}
	sl.keepPower()
	sl.power = time.AfterFunc(s.PowerDown, func() {
		s.mu.Lock()
		unused := sl.inserted == in && len(sl.conns) == 0
		if unused {
			in.powerOff()
		}
		s.mu.Unlock()
		if unused {
			s.resetIfDue(in)
		}
	})
	return nil
}
