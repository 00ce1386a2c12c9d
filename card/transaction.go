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

	over    bool          // the transaction has ended
	pending chan struct{} // closed when a command that was left behind is done; it may change what follows
	lost    error         // why no further command is sent
	reset   bool          // the card is in a state that only a reset mends
}

// Context returns the context of the transaction. It also ends when the service
// is closed.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Epoch numbers the time since the card was last powered or reset, as far as this
// process can know. While it stays the same, a verified PIN can still be verified.
func (tx *Tx) Epoch() uint64 { return tx.link.epoch }

// transact runs f while other programs cannot use the card.
func (c *Card) transact(ctx context.Context, f func(*Tx) error) error {
	s := c.service
	if err := s.enter(); err != nil {
		return err
	}
	left := false // a command is still under way; the transaction ends with it
	ctx, cancel := s.until(ctx)
	defer func() {
		if !left {
			cancel()
			s.running.Done()
		}
	}()

	l := s.lane(c.reader)
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return contextError(ctx)
	}
	tx := &Tx{card: c, lane: l, ctx: ctx}
	if err := tx.begin(); err != nil {
		<-l.turn
		return err
	}
	defer func() { // f may panic, too
		tx.over = true
		if tx.pending == nil {
			tx.end()
			return
		}
		left = true
		go func() {
			<-tx.pending
			tx.end()
			cancel()
			s.running.Done()
		}()
	}()
	return f(tx)
}

// until returns ctx, ended with ErrClosed when the service is closed.
func (s *Service) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.closing, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// begin connects where there is no connection, begins the PC/SC transaction, and
// makes sure that the card is still the one of tx.card.
func (tx *Tx) begin() error {
	c := tx.card
	if err := c.ended(); err != nil {
		return err
	}
	restarted := false
	if tx.link = tx.lane.borrow(c); tx.link != nil {
		tx.lane.use(tx.link)
		err := tx.lock()
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrRemoved) && errors.Is(tx.checkPresent(), ErrChanged) {
			err = fmt.Errorf("%w: %w", ErrChanged, err)
		}
		tx.quit(err)
		if !meaningOf(err).disconnected {
			return err
		}
		// The service went away and came back. A new connection finds out
		// what became of the card.
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

// quit closes the connection, held or not, after err. If a PC/SC error says that
// the card is gone, the card is over; so it is when the connection to a card that
// was held is lost and nothing tells the card from another.
func (tx *Tx) quit(err error) {
	err = tx.explain(err)
	if tx.lane.held(tx.link) && meaningOf(err).disconnected && !tx.card.identified() {
		tx.card.end(fmt.Errorf("%w: the connection to it was lost, and it has no identity", ErrChanged))
	}
	tx.lane.use(nil)
	tx.lane.drop(tx.link)
	tx.lane.giveBack(tx.link)
}

// explain ends the card if err says that it is gone.
func (tx *Tx) explain(err error) error {
	switch {
	case errors.Is(err, ErrRemoved), errors.Is(err, ErrNoReader), errors.Is(err, ErrNoCard):
		tx.card.end(ErrRemoved)
	case errors.Is(err, ErrChanged):
		tx.card.end(err)
	}
	return err
}

// connect makes a connection of the transaction's own, and waits while another
// program has the card exclusively.
func (tx *Tx) connect() error {
	s, c := tx.card.service, tx.card
	patience := time.Time{} // begins when another program is known to hold the card
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
		case patience.IsZero():
			patience = now.Add(s.options.BusyTimeout)
		case !now.Before(patience):
			return named(err)
		}
		// PC/SC does not report the end of an exclusive connection.
		sleep(tx.ctx, min(pause, time.Until(patience)))
		pause = min(2*pause, 200*time.Millisecond)
	}
}

// maxResets bounds how often a transaction begins anew because another program
// keeps resetting the card.
const maxResets = 8

// lock begins the PC/SC transaction and takes note of resets.
func (tx *Tx) lock() error {
	s, k := tx.card.service, tx.link
	for range maxResets {
		err := tx.wait(k.card.Begin)
		if !errors.Is(err, driver.ResetCard) && !errors.Is(err, driver.UnpoweredCard) {
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

// How often, and from how long on, the service gets more time than BusyTimeout to
// answer if no other program is known to hold the card.
const (
	moreTimes = 2
	moreTime  = time.Second
)

// wait runs a call that waits for other programs, for BusyTimeout at most. Only a
// call that ended because of them is ErrBusy: the machine may just be slow.
func (tx *Tx) wait(call func(context.Context) error) error {
	defer traceOf(tx.ctx).busySoon(tx.card.reader)()
	patience := tx.card.service.options.BusyTimeout
	for range 1 + moreTimes {
		ctx, cancel := context.WithTimeout(tx.ctx, patience)
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
		patience = max(moreTime, 10*patience)
	}
	return named(driver.Timeout)
}

// checkPresent makes sure that the service still reports the card of the
// transaction. It is asked after connecting: a later removal ends the connection.
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

// end leaves the card to other programs: logged out, unless it is held, and reset
// where there is no other way.
func (tx *Tx) end() {
	k, l := tx.link, tx.lane
	if !l.held(k) {
		tx.logout()
	}
	if err := k.card.End(tx.reset); err != nil || tx.reset {
		l.drop(k)
	}
	if tx.reset {
		k.logouts = nil
	}
	l.use(nil)
	l.giveBack(k)
	<-l.turn
}

// logout ends every verification over the connection. It does not use the context
// of the transaction, which may have ended: no PIN must stay verified for that.
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
