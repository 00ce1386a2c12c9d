package card

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Tx is a transaction: other programs cannot use the card until it ends.
type Tx struct {
	card *Card
	lane *lane
	link *link
	ctx  context.Context

	over     bool          // the transaction has ended
	returned chan struct{} // gets a token when a call returns; made at the first call
	pending  chan struct{} // returned, if a call was left behind; it may change the next two fields
	lost     error         // why no further command is sent
	reset    bool          // the card must be reset at the end
}

// Context returns the context of the transaction. It also ends when the service
// is closed.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Epoch returns a number that changes when the card may have been reset or have lost
// its power. While it stays the same, a verified PIN may still be verified.
func (tx *Tx) Epoch() uint64 { return tx.link.epoch }

// transact runs f while other programs cannot use the card.
func (c *Card) transact(ctx context.Context, f func(*Tx) error) error {
	s := c.service
	if err := s.enter(); err != nil {
		return err
	}
	ctx, cancel := s.until(ctx)
	leave := func() {
		cancel()
		s.running.Done()
	}
	l := s.lane(c.reader)
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		defer leave()
		return contextError(ctx)
	}
	tx := &Tx{card: c, lane: l, ctx: ctx}
	began := false
	defer func() { // f may panic, and so may the functions of a Trace
		tx.over = true
		end := func() {
			if began {
				tx.end()
			}
			<-l.turn
			leave()
		}
		if tx.pending == nil {
			end()
			return
		}
		go func() {
			<-tx.pending
			end()
		}()
	}()
	if err := tx.begin(); err != nil {
		return err
	}
	began = true
	return f(tx)
}

// until returns a copy of ctx that also ends, with ErrClosed, when the service is
// closed.
func (s *Service) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.closing, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// begin connects, unless the card is held, begins the PC/SC transaction, and makes
// sure that the card is still the one of tx.card.
func (tx *Tx) begin() error {
	c := tx.card
	if err := c.ended(); err != nil {
		return err
	}
	restarted := c.serviceEnded()
	if tx.link = tx.lane.borrow(c); tx.link != nil {
		tx.lane.use(tx.link)
		err := tx.lock()
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrRemoved) || errors.Is(err, ErrNoReader) {
			if now := tx.checkPresent(); now == nil || errors.Is(now, ErrChanged) {
				err = fmt.Errorf("%w: %w", ErrChanged, err) // there is a card again
			}
		}
		tx.quit(err)
		if !meaningOf(err).disconnected {
			return err
		}
		// The service may have been restarted. A new connection shows whether
		// the card is the same.
		restarted = true
	}
	if err := tx.connect(); err != nil {
		return tx.explain(err)
	}
	tx.lane.use(tx.link)
	err := tx.lock()
	if err == nil {
		if err = tx.checkPresent(); err == nil {
			err = c.ended()
		} else if restarted && errors.Is(err, ErrChanged) {
			err = fmt.Errorf("%w: the smart card service was restarted", err)
		}
		if err != nil {
			tx.link.card.End(false) // the connection is closed next
		}
	}
	if err != nil {
		tx.quit(err)
	}
	return err
}

// quit ends the use of a connection over which no transaction began. If the wait for
// other programs only took too long, a held connection stays; after any other error
// it is closed.
func (tx *Tx) quit(err error) {
	err = tx.explain(err)
	tx.lane.use(nil)
	if tx.ctx.Err() == nil && !errors.Is(err, ErrBusy) {
		tx.drop()
	}
	tx.lane.giveBack(tx.link)
}

// drop ends all holds of the connection. If the card was held and has no identity,
// nothing will distinguish it from another card, so it cannot be used any more.
func (tx *Tx) drop() {
	if tx.lane.held(tx.link) && !tx.card.identified() {
		tx.card.end(errUnidentified)
	}
	tx.lane.drop(tx.link)
}

// explain ends the card if err says that it was removed or exchanged, and notes the
// end of the service for a later error.
func (tx *Tx) explain(err error) error {
	switch {
	case errors.Is(err, ErrChanged):
		tx.card.end(err)
	case errors.Is(err, ErrRemoved), errors.Is(err, ErrNoReader), errors.Is(err, ErrNoCard):
		tx.card.end(ErrRemoved)
	case errors.Is(err, ErrNoService):
		tx.card.noteServiceEnd()
	}
	return err
}

// connect connects to the card. It waits while another program is connected
// exclusively.
func (tx *Tx) connect() error {
	s, c := tx.card.service, tx.card
	var deadline time.Time // set once another program is known to hold the card
	pause := 5 * time.Millisecond
	for {
		card, err := s.driver.Connect(tx.ctx, c.reader)
		switch {
		case err == nil:
			tx.link = &link{card: card, owner: c, epoch: s.newEpoch()}
			return nil
		case tx.ctx.Err() != nil:
			return contextError(tx.ctx)
		case !errors.Is(err, driver.SharingViolation):
			return named(err)
		}
		traceOf(tx.ctx).busy(c.reader)
		switch now := time.Now(); {
		case deadline.IsZero():
			deadline = now.Add(s.options.BusyTimeout)
		case !now.Before(deadline):
			return named(err)
		}
		// PC/SC does not report the end of an exclusive connection.
		sleep(tx.ctx, min(pause, time.Until(deadline)))
		pause = min(2*pause, 200*time.Millisecond)
	}
}

// maxResets bounds how often a transaction begins anew because another program
// keeps resetting the card.
const maxResets = 8

// lock begins the PC/SC transaction and acknowledges resets by other programs.
func (tx *Tx) lock() error {
	s, k := tx.card.service, tx.link
	for range maxResets {
		err := tx.wait(k.card.Begin)
		if !wasReset(err) {
			return err
		}
		k.newEpoch(s.newEpoch())
		tx.lane.resets++
		if err := tx.wait(k.card.Reconnect); err != nil {
			return err
		}
		s.noteReset(tx.card)
	}
	return ErrReset
}

// wasReset reports whether err says that another program reset the card.
func wasReset(err error) bool {
	return errors.Is(err, driver.ResetCard) || errors.Is(err, driver.UnpoweredCard)
}

// A call that timed out although no other program is known to hold the card is
// repeated so often, each time with at least so much time.
const (
	slowRetries = 2
	slowTimeout = 5 * time.Second
)

// wait runs a call that waits for other programs, for BusyTimeout at most. The error
// is ErrBusy only if another program is known to hold the card: the machine may just
// be slow.
func (tx *Tx) wait(call func(context.Context) error) error {
	defer traceOf(tx.ctx).busySoon(tx.card.reader)()
	timeout := tx.card.service.options.BusyTimeout
	for range 1 + slowRetries {
		ctx, cancel := context.WithTimeout(tx.ctx, timeout)
		err := call(ctx)
		timedOut := ctx.Err() != nil
		cancel()
		switch {
		case err == nil:
			return nil
		case tx.ctx.Err() != nil:
			return contextError(tx.ctx)
		case !timedOut || !errors.Is(err, context.DeadlineExceeded), errors.Is(err, driver.SharingViolation):
			return named(err)
		}
		timeout = max(slowTimeout, timeout)
	}
	return named(driver.Timeout)
}

// checkPresent makes sure that the service still reports the card of the
// transaction. It runs after connecting: a later removal ends the connection.
func (tx *Tx) checkPresent() error {
	r, err := tx.card.service.state(tx.ctx, tx.card.reader)
	switch {
	case err != nil:
		return named(err)
	case !r.Present:
		return ErrRemoved
	case r.Events != tx.card.events:
		return ErrChanged
	}
	return nil
}

// endTimeout bounds the end of a transaction on a card that does not respond.
const endTimeout = 5 * time.Second

// end logs out, unless the card is held, and ends the PC/SC transaction. The card is
// reset if there is no other way to log out. If the card does not respond, its
// connection is closed.
func (tx *Tx) end() {
	k, l := tx.link, tx.lane
	use := l.currentUse()
	defer time.AfterFunc(endTimeout, func() { l.abort(use) }).Stop()
	if !l.held(k) {
		tx.logout()
	}
	err := k.card.End(tx.reset)
	switch {
	case wasReset(err), err == nil && tx.reset:
		// A held connection goes on: the next transaction reconnects if it
		// has to.
		k.newEpoch(tx.card.service.newEpoch())
	case err != nil:
		k.reset = tx.reset
		tx.explain(named(err))
		tx.drop()
	}
	l.use(nil)
	l.giveBack(k)
}

// logout ends every verification over the connection. It does not use the context
// of the transaction, which may have ended: a PIN must not stay verified then.
func (tx *Tx) logout() {
	out := &Tx{card: tx.card, lane: tx.lane, link: tx.link, ctx: context.Background(), lost: tx.lost}
	for key, logout := range tx.link.logouts {
		if logout == nil || logout(out) != nil || out.lost != nil {
			tx.reset = true
		}
		delete(tx.link.logouts, key)
	}
	out.over = true
}
