package card

import (
	"context"
	"errors"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Tx is a section under way: nobody else can use the card until it ends.
type Tx struct {
	card *Card
	lane *lane
	link *link
	ctx  context.Context

	over    bool          // the section has ended
	pending chan struct{} // closed when a command that was left behind is done; it may change what follows
	lost    error         // why no further command is sent
	reset   bool          // the card is left in a state that only a reset mends
}

// Context is the one that the section runs under. It also ends when the service
// is closed.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Epoch numbers the time since the card was last powered or reset, as far as
// this process can know: as long as it stays the same, a PIN that was verified
// can still be verified.
func (tx *Tx) Epoch() uint64 { return tx.link.epoch }

// transact runs f while nobody else can use the card.
func (c *Card) transact(ctx context.Context, f func(*Tx) error) error {
	s := c.service
	if err := s.enter(); err != nil {
		return err
	}
	left := false // a command is still under way; its end is the section's
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
		return ended(ctx)
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

// until is ctx, ended with ErrClosed when the service is closed.
func (s *Service) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.closing, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// begin connects where there is no connection, takes the card, and makes sure
// that it is still the one that the section is for.
func (tx *Tx) begin() error {
	c := tx.card
	shared := false
	if tx.link = tx.lane.borrow(c.events); tx.link != nil {
		shared = true
	} else if err := tx.connect(); err != nil {
		return err
	}
	err := tx.take()
	if shared && unusable(err) {
		// The service went away and came back. A new connection will do, and
		// finds out what became of the card.
		tx.quit()
		shared = false
		if err = tx.connect(); err != nil {
			return err
		}
		err = tx.take()
	}
	if err == nil && !shared {
		if err = tx.same(); err != nil {
			tx.link.card.End(false) // the connection is closed next
		}
	}
	if err != nil {
		tx.quit()
	}
	return err
}

// unusable reports whether an error means that the connection, not the card,
// is gone.
func unusable(err error) bool {
	return errors.Is(err, driver.InvalidHandle) || errors.Is(err, ErrNoService)
}

// quit gives up the connection, held or not.
func (tx *Tx) quit() {
	tx.lane.drop(tx.link)
	tx.lane.giveBack(tx.link)
}

// connect makes a connection of the section's own, waiting while another
// program has the card to itself.
func (tx *Tx) connect() error {
	s, c := tx.card.service, tx.card
	patience, cancel := context.WithTimeout(tx.ctx, s.options.BusyTimeout)
	defer cancel()
	pause := 5 * time.Millisecond
	for {
		card, err := s.driver.Connect(patience, c.reader)
		if err == nil {
			tx.link = &link{card: card, events: c.events, epoch: s.newEpoch()}
			return nil
		}
		if !errors.Is(err, driver.SharingViolation) {
			return tx.impatient(patience, err)
		}
		traceOf(tx.ctx).busy(c.reader)
		select { // PC/SC has no event for the end of an exclusive connection
		case <-patience.Done():
			return tx.impatient(patience, patience.Err())
		case <-time.After(pause):
		}
		pause = min(2*pause, 200*time.Millisecond)
	}
}

// take holds the card for this section and takes note of resets.
func (tx *Tx) take() error {
	s, k := tx.card.service, tx.link
	patience, cancel := context.WithTimeout(tx.ctx, s.options.BusyTimeout)
	defer cancel()
	defer traceOf(tx.ctx).busySoon(tx.card.reader)()
	for range 8 { // somebody who resets the card more often than that gets in the way
		err := k.card.Begin(patience)
		if !errors.Is(err, driver.ResetCard) && !errors.Is(err, driver.UnpoweredCard) {
			return tx.impatient(patience, err)
		}
		k.epoch, k.logouts = s.newEpoch(), nil
		tx.lane.resets++
		if err := k.card.Reconnect(patience); err != nil {
			return tx.impatient(patience, err)
		}
		s.noteReset(tx.card)
	}
	return ErrReset
}

// impatient tells the end of the patience with other programs from the end of
// the section's context.
func (tx *Tx) impatient(patience context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case tx.ctx.Err() != nil:
		return ended(tx.ctx)
	case patience.Err() != nil:
		return ErrBusy
	}
	return known(err)
}

// same finds out whether the card in the reader is the one of the section. It
// is asked with the connection made: a later change ends that.
func (tx *Tx) same() error {
	r, err := tx.card.service.state(tx.ctx, tx.card.reader)
	switch {
	case err != nil:
		return known(err)
	case !r.Present:
		return ErrRemoved
	case r.Events != tx.card.events:
		return ErrChanged
	}
	return nil
}

// end leaves the card to others: logged out, unless it is held, and reset where
// there is no other way.
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
	l.giveBack(k)
	<-l.turn
}

// logout ends what was verified over the connection. The section's own context
// may have ended; the PIN must not stay verified for that. A command takes its
// time, and no more.
func (tx *Tx) logout() {
	out := &Tx{card: tx.card, lane: tx.lane, link: tx.link, ctx: context.Background(), lost: tx.lost}
	for name, logout := range tx.link.logouts {
		if logout == nil || logout(out) != nil || out.lost != nil {
			tx.reset = true
		}
		delete(tx.link.logouts, name)
	}
	out.over = true
}
