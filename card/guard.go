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
	pad      pad        // of its reader
	resets   uint64     // of the card, before the PIN was asked for
	hold     *hold      // keeps the connection while the user is asked
}

// maxPrompts bounds how often a PINFunc is called that ignores why its answers are
// not accepted.
const maxPrompts = 16

// look finds out which card this is and how its PIN stands, before the user is
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
		g.resets = tx.lane.resets
		g.keep(tx, status)
		if g.hold == nil {
			g.hold = tx.hold()
		}
		return nil
	})
	return status, done, err
}

// transact runs f in the transaction that follows the prompt. The hold ends in it,
// so that its end logs out; it stays only if the user is asked again and nothing is
// verified.
func (g *guard) transact(ctx context.Context, f func(*Tx) error) error {
	return g.card.transact(ctx, func(tx *Tx) (err error) {
		again := false
		defer func() { // f may panic
			if g.hold != nil && !again {
				g.hold.releaseIn(tx)
				g.hold = nil
			}
		}()
		err = f(tx)
		again = canRetry(err) && len(tx.link.logouts) == 0
		return err
	})
}

func (g *guard) release() {
	if g.hold != nil {
		g.hold.release()
	}
}

// status selects the application, makes sure that the card is the same, and asks
// for the retry counter.
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
	g.identity = id
	status, err := g.v.Status(tx)
	if err != nil {
		return PINStatus{}, err
	}
	g.card.service.refused.resolve(g.pinID(), status)
	return g.card.afterRefusal(g.key(), status), nil
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
	return &PINError{g.v.Reference, status.Retries, false, why}
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

// gaveUp returns the error of a PINFunc together with why its last answer was not
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
		Pad:       g.padTakes(),
		Refused:   refused,
		EachUse:   g.v.EachUse,
		card:      g.card,
		resets:    g.resets,
	}
}

// PINStatus selects an application, identifies the card and asks for the retry
// counter of a PIN. While the card is held, the next [Card.DoWithPIN] with Always
// set goes by it and asks the user at once.
func (tx *Tx) PINStatus(v Verification) (PINStatus, error) {
	g := &guard{card: tx.card, v: v, resets: tx.lane.resets}
	status, err := g.status(tx)
	if err != nil {
		return PINStatus{}, err
	}
	g.pad = tx.pad()
	g.keep(tx, status)
	return status, nil
}

// A pinKey names a PIN among those of one card.
type pinKey struct {
	application string
	reference   Reference
}

func (g *guard) key() pinKey { return pinKey{g.v.Application, g.v.Reference} }

// A pinID names a PIN among those of all cards. An unknown card is one of its own
// for as long as it stays in the reader.
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

// remembered returns the name under which a PIN is remembered as refused.
func (g *guard) remembered(r Reference, coded []byte) refusal {
	return g.card.service.refused.of(g.idOf(r), coded)
}

// A pinState is what was last learnt about a PIN over a connection.
type pinState struct {
	link     *link
	identity Identity
	status   PINStatus
	pad      pad
	resets   uint64
}

// keep remembers status for recall. A verified PIN has no count; what was counted
// before still holds, since success only raises it.
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

// recall returns the last known state of a PIN that is asked for at each use,
// while the card is held over the connection that told it: the user is asked
// without another look. The transaction that follows reads the counter again.
func (g *guard) recall() (PINStatus, bool) {
	c := g.card
	if !g.v.Always || g.change != nil || g.v.Prepare != nil {
		return PINStatus{}, false
	}
	shared := c.service.lane(c.reader).shared(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.pins[g.key()]
	if !ok || shared == nil || s.link != shared || s.status.Verified || s.status.Retries < 0 {
		return PINStatus{}, false
	}
	g.identity, g.pad, g.resets = s.identity, s.pad, s.resets
	return s.status, true
}

// noteRefusal remembers the retry counter that came with a refusal, -1 if it did
// not say; noteSuccess forgets it.
func (c *Card) noteRefusal(key pinKey, retries int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusals == nil {
		c.refusals = make(map[pinKey]int)
	}
	c.refusals[key] = retries
	delete(c.pins, key)
}

func (c *Card) noteSuccess(key pinKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.refusals, key)
}

// afterRefusal corrects what a card says after it refused a PIN: some cards report
// a PIN as verified, or an old count, whatever happened. The lower of both counts;
// "verified" is then unknown.
func (c *Card) afterRefusal(key pinKey, s PINStatus) PINStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, refused := c.refusals[key]
	switch {
	case !refused || s.Blocked:
	case s.Verified:
		s = PINStatus{Retries: -1}
	case n >= 0 && s.Retries > n:
		s.Retries = n
	}
	return s
}
