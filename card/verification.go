package card

import "context"

// A Verification describes one PIN of an application. Its functions run in a
// transaction and use only the Tx they get.
type Verification struct {
	// Application is the name of the application, for [Tx.Identify]. PINs of
	// different applications are different PINs, even if their references are
	// equal.
	Application string

	Purpose   string // PINRequest.Purpose
	Name      string // PINError.Name: "PUK"; empty for a PIN
	Reference Reference
	Format    PINFormat

	// Select makes the application current, or finds that it is. A PIN is sent
	// only in a transaction in which Select returned nil.
	Select func(*Tx) error

	// Identity reads the identity of the card, for [Tx.Identify].
	Identity func(*Tx) (Identity, error)

	// Prepare, if not nil, runs once, after Select and before Identity in the
	// first transaction. It may change the Verification, for example after it
	// has read which PIN the card uses.
	Prepare func(*Tx, *Verification) error

	// Status reads the retry counter. It must not cost a try.
	Status func(*Tx) (PINStatus, error)

	// Verify returns the command that carries the PIN, which is encoded in
	// Format. Its Ne is ignored: VERIFY returns no data.
	Verify func(pin []byte) Command

	// Logout ends the verification. If it is nil or fails, the card is reset.
	Logout func(*Tx) error

	// Always asks for the PIN and verifies it even if it is verified already.
	Always bool

	// EachUse says that the card requires the PIN before each use of a key:
	// PINRequest.EachUse.
	EachUse bool

	// PIN is called for the PIN. If it is nil and the PIN is not verified, the
	// error is ErrPINRequired.
	PIN PINFunc
}

// DoWithPIN runs f in a transaction in which the PIN is verified. Its promises are
// in the package comment.
//
// A first transaction identifies the card and reads the retry counter. Then the
// PIN is asked for, outside of any transaction, while the connection stays open:
// an unbroken connection is to the same card. A second transaction reads the
// counter again, verifies the PIN, and runs f, in which the application is
// selected. At its end the PIN is logged out, unless the card is held.
//
// A PINFunc whose PIN is not accepted is called again, 16 times in all; then the
// last refusal is the error.
func (c *Card) DoWithPIN(ctx context.Context, v Verification, f func(*Tx) error) error {
	return wrap(c.reader, "verify PIN", c.doWithPIN(ctx, v, f))
}

func (c *Card) doWithPIN(ctx context.Context, v Verification, f func(*Tx) error) error {
	g := &guard{card: c, v: v}
	defer g.release()
	var refused error // why the last PIN was not accepted
	for range maxPrompts {
		before, done, err := g.look(ctx, f)
		switch {
		case done || err != nil:
			return err
		case before.Blocked:
			return g.notSent(before, ErrPINBlocked)
		case g.v.PIN == nil:
			return g.notSent(before, ErrPINRequired)
		}
		again, err := g.askAndVerify(ctx, before, refused, f)
		if !again {
			return err
		}
		refused = err
	}
	return refused
}

// askAndVerify asks for the PIN, verifies it and runs f. again reports that the
// PIN was not accepted and another one may be.
func (g *guard) askAndVerify(ctx context.Context, before PINStatus, refused error, f func(*Tx) error) (again bool, err error) {
	pin, err := g.v.PIN(ctx, g.request(before, refused))
	defer pin.Destroy()
	if err != nil {
		return false, gaveUp(err, refused)
	}
	return g.transact(ctx, func(tx *Tx) error {
		err := g.verify(tx, pin, before)
		pin.settle(err)
		pin.Destroy() // f may take long
		return err
	}, f)
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
	defer t.discard()
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
