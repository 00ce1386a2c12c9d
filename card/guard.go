package card

import (
	"context"
	"errors"
	"fmt"
)

// A guard is one run of DoWithPIN or ChangePIN.
type guard struct {
	card     *Card
	v        Verification
	change   *PINChange // nil if the PIN is only verified
	identity Identity   // of the card that the PIN is asked for
	link     *link      // over which the card was last identified
	pad      pad        // of its reader
	resets   uint64     // of the card, before the PIN was asked for
	hold     *hold      // keeps the connection while the user is asked
}

// maxPrompts bounds how often a PINFunc is called that ignores why its PINs are
// not accepted.
const maxPrompts = 16

// look identifies the card and reads the status of its PIN before the user is
// asked, and holds the card from then on. If the PIN is verified already, and that
// is enough, it runs f.
func (g *guard) look(ctx context.Context, f func(*Tx) error) (status PINStatus, done bool, err error) {
	if status, ok := g.recall(); ok {
		return status, false, nil
	}
	err = g.card.transact(ctx, func(tx *Tx) error {
		if status, err = g.status(tx); err != nil {
			return err
		}
		if status.Verified && !g.v.Always && g.change == nil {
			done = true
			return f(tx)
		}
		g.pad = tx.pad()
		if err := tx.usable(); err != nil {
			return err
		}
		g.resets = tx.lane.resets
		g.keep(tx, status)
		if g.hold == nil || g.hold.link != tx.link { // the first connection was lost
			g.hold = tx.hold()
		}
		return nil
	})
	return status, done, err
}

// transact runs send, which sends the PIN, and then f, which may be nil, in the
// transaction that follows the prompt. again reports that the PIN was not accepted
// and another one may be. The hold ends in the transaction, whose end logs out; it
// stays only if the user is asked again and nothing is verified.
func (g *guard) transact(ctx context.Context, send, f func(*Tx) error) (again bool, err error) {
	err = g.card.transact(ctx, func(tx *Tx) error {
		keep := false
		defer func() { // send and f may panic
			if g.hold != nil && !keep {
				g.hold.releaseIn(tx)
				g.hold = nil
			}
		}()
		if err := send(tx); err != nil {
			again = canRetry(err)
			keep = again && len(tx.link.logouts) == 0
			return err
		}
		if f == nil {
			return nil
		}
		return f(tx)
	})
	return again, err
}

func (g *guard) release() {
	if g.hold != nil {
		g.hold.release()
	}
}

// status selects the application, compares the identity of the card, and reads the
// retry counter.
func (g *guard) status(tx *Tx) (PINStatus, error) {
	if err := g.v.Select(tx); err != nil {
		return PINStatus{}, err
	}
	if prepare := g.v.Prepare; prepare != nil {
		if err := prepare(tx, &g.v); err != nil {
			return PINStatus{}, err
		}
		g.v.Prepare = nil
	}
	id, err := tx.Identify(g.v.Application, g.v.Identity)
	if err != nil {
		return PINStatus{}, err
	}
	if id.IsZero() && g.link != nil && g.link != tx.link {
		// Only the connection could have shown that the card is the same.
		return PINStatus{}, g.card.end(errUnidentified)
	}
	g.identity, g.link = id, tx.link
	status, err := g.v.Status(tx)
	if err != nil {
		return PINStatus{}, err
	}
	memory := &g.card.service.refused
	status = memory.correct(g.pinID(), status)
	memory.resolve(g.pinID(), status)
	return status, nil
}

// allow returns why the PIN of t is not sent, nil if it may be. before is the state
// that the user was told, now that of this transaction.
func (g *guard) allow(now, before PINStatus, t *trip, pin PIN) error {
	switch {
	case now.Blocked:
		return g.notSent(now, ErrPINBlocked)
	case now.Retries >= 0 && now.Retries < before.Retries:
		return g.notSent(now, ErrFewerRetries)
	case g.card.service.refused.has(t.pin):
		return g.notSent(now, ErrRefusedBefore)
	case now.last() && !pin.allowLast:
		return g.notSent(now, ErrLastTry)
	}
	return nil
}

func (g *guard) notSent(status PINStatus, why error) error {
	return g.pinError(g.v.Reference, status.Retries, false, why)
}

// pinError returns a PINError about a reference.
func (g *guard) pinError(r Reference, retries int, sent bool, why error) *PINError {
	e := &PINError{Reference: r, Retries: retries, Sent: sent, Err: why}
	if r == g.v.Reference {
		e.Name = g.v.Name
	}
	return e
}

// canRetry reports whether another PIN, or consent to the last try, can mend err.
func canRetry(err error) bool {
	var e *PINError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Err {
	case ErrWrongPIN, ErrLastTry, ErrFewerRetries, ErrRefusedBefore, ErrPINFormat, ErrNewPIN:
		return true
	}
	return false
}

// gaveUp returns the error of a PINFunc together with why its last PIN was not
// accepted.
func gaveUp(err, refused error) error {
	if refused == nil || errors.Is(err, refused) {
		return err
	}
	return fmt.Errorf("%w, after: %w", err, refused)
}

// request returns the request for the PIN.
func (g *guard) request(status PINStatus, refused error) PINRequest {
	return PINRequest{
		Reader:    g.card.reader,
		Card:      g.identity,
		Purpose:   g.v.Purpose,
		Reference: g.v.Reference,
		Format:    g.v.Format,
		Retries:   status.Retries,
		Last:      status.last(),
		Pad:       g.padSupports(),
		Refused:   refused,
		EachUse:   g.v.EachUse,

		card:        g.card,
		link:        g.link,
		application: g.v.Application,
		resets:      g.resets,
		refusedPIN:  g.card.service.refused.hasAny(g.pinID()),
	}
}

// PINStatus selects the application, identifies the card and reads the status of
// its PIN. While the card is held, the next [Card.DoWithPIN] with Always set uses
// that status and asks the user at once.
func (tx *Tx) PINStatus(v Verification) (PINStatus, error) {
	g := &guard{card: tx.card, v: v, resets: tx.lane.resets}
	status, err := g.status(tx)
	if err != nil {
		return PINStatus{}, err
	}
	g.pad = tx.pad()
	if err := tx.usable(); err != nil {
		return PINStatus{}, err
	}
	g.keep(tx, status)
	return status, nil
}

// A pinKey names a PIN among those of one card.
type pinKey struct {
	application string
	reference   Reference
}

func (g *guard) key() pinKey { return pinKey{g.v.Application, g.v.Reference} }

// A pinID names a PIN among those of all cards. A card without identity is different
// from all others, and from itself after it was removed.
type pinID struct {
	card   Identity
	serial uint64 // of the Card, if card is zero
	pinKey
}

func (g *guard) pinID() pinID { return g.idOf(g.v.Reference) }

func (g *guard) idOf(r Reference) pinID {
	id := pinID{card: g.identity, pinKey: pinKey{g.v.Application, r}}
	if g.identity.IsZero() {
		id.serial = g.card.serial
	}
	return id
}

// remembered returns the hash by which a PIN is remembered.
func (g *guard) remembered(r Reference, coded []byte) refusal {
	return g.card.service.refused.of(g.idOf(r), coded)
}

// A pinState is the last known status of a PIN.
type pinState struct {
	link     *link // over which it was read
	identity Identity
	status   PINStatus
	pad      pad
	resets   uint64
}

// keep remembers status for recall. A verified PIN has no count; the count from
// before is kept, since success only raises it.
func (g *guard) keep(tx *Tx, status PINStatus) {
	c := g.card
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pins == nil {
		c.pins = make(map[pinKey]pinState)
	}
	if old, ok := c.pins[g.key()]; ok && old.link == tx.link && status.Verified && old.status.Retries >= 0 {
		status = PINStatus{Retries: old.status.Retries}
	}
	c.pins[g.key()] = pinState{tx.link, g.identity, status, g.pad, g.resets}
}

// recall returns the last known status of a PIN that is asked for at each use, and
// holds the card. The card must still be held over the connection that the status
// was read over: then the user is asked without another look. The transaction that
// follows reads the counter again.
func (g *guard) recall() (PINStatus, bool) {
	c := g.card
	if !g.v.Always || g.change != nil || g.v.Prepare != nil {
		return PINStatus{}, false
	}
	c.mu.Lock()
	s, ok := c.pins[g.key()]
	c.mu.Unlock()
	if !ok || s.status.Verified || s.status.Retries < 0 {
		return PINStatus{}, false
	}
	if g.hold == nil {
		if g.hold, ok = c.holdAgain(s.link); !ok {
			return PINStatus{}, false
		}
	} else if g.hold.link != s.link {
		return PINStatus{}, false
	}
	g.identity, g.link, g.pad, g.resets = s.identity, s.link, s.pad, s.resets
	return s.status, true
}

// forgetStatus makes the next look ask the card: a PIN was refused.
func (c *Card) forgetStatus(key pinKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pins, key)
}
