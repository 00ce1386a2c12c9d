package card

import "context"

// A Verification is all that an application says about one of its PINs. Its
// functions run in a transaction and use only the Tx they get.
type Verification struct {
	// Application names the application among those of the card, for
	// [Tx.Identify] and to tell its PINs from those of another: "PIV".
	Application string

	Purpose   string // what the PIN is for: PINRequest.Purpose
	Reference Reference
	Format    PINFormat

	// Select makes the application current, or finds that it is. A PIN is sent
	// only in a transaction in which Select returned nil.
	Select func(*Tx) error

	// Identity asks the application which card this is, for [Tx.Identify].
	Identity func(*Tx) (Identity, error)

	// Prepare, if not nil, runs once, after Select and before Identity in the
	// first transaction, and may change the Verification: to find out which
	// PIN the card wants, or to compare the certificate with the listed one.
	Prepare func(*Tx, *Verification) error

	// Status asks for the retry counter. It must not cost a try.
	Status func(*Tx) (PINStatus, error)

	// Verify returns the command that carries the PIN in its format.
	Verify func(pin []byte) Command

	// Logout ends the verification. Nil: the card is reset for it.
	Logout func(*Tx) error

	// Always asks for the PIN and verifies it even if it is verified already.
	Always bool

	// EachUse is for a PIN that the card wants before each use of a key:
	// PINRequest.EachUse.
	EachUse bool

	// PIN is asked for the PIN. Nil: ErrPINRequired, unless it is verified.
	PIN PINFunc
}

// DoWithPIN runs f in a transaction in which the PIN is verified, as [Card.Do]
// runs it in any. The package comment says what it promises.
//
// A first transaction identifies the card and reads the retry counter. Then the
// PIN is asked for, outside of any transaction, while the connection stays open:
// an unbroken connection is to the same card. A second transaction reads the
// counter again, verifies, and runs f, which can rely on its application being
// selected. At its end the PIN is logged out, unless the card is held.
//
// After 16 answers that were not accepted the last refusal is the error.
func (c *Card) DoWithPIN(ctx context.Context, v Verification, f func(*Tx) error) error {
	return wrap(c.reader, "verify PIN", c.doWithPIN(ctx, v, f))
}

func (c *Card) doWithPIN(ctx context.Context, v Verification, f func(*Tx) error) error {
	g := &guard{card: c, v: v}
	defer g.release()
	var refused error // why the last answer was not accepted
	for range maxPrompts {
		before, done, err := g.look(ctx, f)
		switch {
		case done || err != nil:
			return err
		case before.Blocked:
			return g.notSent(before, ErrPINBlocked)
		case v.PIN == nil:
			return g.notSent(before, ErrPINRequired)
		}
		pin, err := v.PIN(ctx, g.request(before, refused))
		if err != nil {
			pin.Destroy()
			return gaveUp(err, refused)
		}
		err = g.transact(ctx, func(tx *Tx) error {
			if err := g.verify(tx, pin, before); err != nil {
				return err
			}
			return f(tx)
		})
		pin.settle(err)
		pin.Destroy()
		if !canRetry(err) {
			return err
		}
		refused = err
	}
	return refused
}

// verify sends the PIN, unless the state of the card in this very transaction
// forbids it.
func (g *guard) verify(tx *Tx, pin PIN, before PINStatus) error {
	now, err := g.status(tx)
	if err != nil {
		return err
	}
	g.keep(tx, now)
	t, err := g.verifyTrip(pin)
	if err != nil {
		return g.notSent(now, err)
	}
	defer t.clear()
	if err := g.allow(now, before, t, pin); err != nil {
		return err
	}
	return g.send(tx, t, now)
}

// verifyTrip builds the command that verifies pin.
func (g *guard) verifyTrip(pin PIN) (*trip, error) {
	if g.pad.verify != 0 && pin.isZero() {
		return g.padVerifyTrip(), nil
	}
	coded, err := g.v.Format.encode(pin)
	if err != nil {
		return nil, err
	}
	defer clear(coded)
	return newPINTrip(g.v.Verify(coded), g.remembered(g.v.Reference, coded)), nil
}
