package card

import (
	"context"
	"errors"
)

// A PINChange describes how an application sets a PIN.
type PINChange struct {
	// Verification is of the secret that authorizes the change: the current PIN,
	// or a PUK. A wrong secret costs one of its tries. PIN is called twice, for
	// the secret and for the new PIN (PINRequest.New). Always is ignored.
	Verification

	// VerifyFirst verifies the secret by a command of its own before it is
	// sent with the new PIN. It is needed if neither is padded: the card splits
	// the two by the length of the secret that it stores, and could take part
	// of a wrong secret for the new PIN.
	VerifyFirst bool

	// Allow, if not nil, authorizes the change in place of the secret, for
	// example with the key of an administrator. It runs in the transaction,
	// with the application selected. PIN is then called for the new PIN only,
	// and Replace gets a nil secret; Verification is of the PIN that is set,
	// which may be blocked. Logout also ends what Allow authenticated.
	Allow func(*Tx) error

	New       Reference // the PIN that is set
	NewFormat PINFormat

	// Replace returns the command that carries both, each in its format: CHANGE
	// REFERENCE DATA or RESET RETRY COUNTER (ISO/IEC 7816-4, 11.5.6 and 11.5.10).
	Replace func(secret, pin []byte) Command
}

// ChangePIN sets a PIN. It keeps the promises of [Card.DoWithPIN] for the secret
// that authorizes it. If the card does not accept the new PIN, both are asked for
// again, with ErrNewPIN as the reason.
func (c *Card) ChangePIN(ctx context.Context, ch PINChange) error {
	return wrap(c.reader, "set PIN", c.changePIN(ctx, ch))
}

func (c *Card) changePIN(ctx context.Context, ch PINChange) error {
	g := &guard{card: c, v: ch.Verification, change: &ch}
	defer g.release()
	var refused error // why the last PINs were not accepted
	for range maxPrompts {
		before, _, err := g.look(ctx, nil)
		switch {
		case err != nil:
			return err
		case before.Blocked && ch.Allow == nil:
			return g.notSent(before, ErrPINBlocked)
		case g.v.PIN == nil:
			return g.notSent(before, ErrPINRequired)
		}
		again, err := g.askAndReplace(ctx, before, refused)
		if !again {
			return err
		}
		refused = err
	}
	return refused
}

// askAndReplace asks for the secret, unless Allow is in its place, and for the new
// PIN, and sets it. again reports that one of them was not accepted and another one
// may be.
func (g *guard) askAndReplace(ctx context.Context, before PINStatus, refused error) (again bool, err error) {
	ofSecret, ofNew := refused, error(nil)
	if errors.Is(refused, ErrNewPIN) {
		ofSecret, ofNew = nil, refused
	}
	var secret PIN
	if g.change.Allow == nil {
		secret, err = g.v.PIN(ctx, g.request(before, ofSecret))
		defer secret.Destroy()
		if err != nil {
			return false, gaveUp(err, refused)
		}
	}
	r := g.request(before, ofNew)
	r.Reference, r.Format, r.New = g.change.New, g.change.NewFormat, true
	r.Retries, r.Last = -1, false
	pin, err := g.v.PIN(ctx, r)
	defer pin.Destroy()
	if err != nil {
		return false, gaveUp(err, refused)
	}
	return g.transact(ctx, func(tx *Tx) error {
		err := g.replace(tx, secret, pin, before)
		secret.settle(err)
		return err
	}, nil)
}

// replace sends the secret with the new PIN, unless the state of the card in this
// very transaction forbids it.
func (g *guard) replace(tx *Tx, secret, pin PIN, before PINStatus) error {
	now, err := g.status(tx)
	if err != nil {
		return err
	}
	t, err := g.changeTrip(secret, pin)
	if err != nil {
		return g.notSent(now, err)
	}
	defer t.discard()
	if g.change.Allow != nil {
		tx.noteVerified(g.key(), g.v.Logout) // Logout ends what Allow authenticates, too
		if err := g.change.Allow(tx); err != nil {
			return err
		}
		t.secretIsRight = true
		return g.send(tx, t, now)
	}
	if err := g.allow(now, before, t, secret); err != nil {
		return err
	}
	if g.change.VerifyFirst && t.pad == 0 {
		first, err := g.verifyTrip(secret)
		if err != nil {
			return g.notSent(now, err)
		}
		defer first.discard()
		if err := g.send(tx, first, now); err != nil {
			return err
		}
		t.secretIsRight = true
	}
	return g.send(tx, t, now)
}

// changeTrip builds the command that carries the secret and the new PIN.
func (g *guard) changeTrip(secret, pin PIN) (*trip, error) {
	if g.padSupports() && secret.isZero() && pin.isZero() {
		return g.padChangeTrip(), nil
	}
	ch := g.change
	var old []byte
	var remembered refusal
	if ch.Allow == nil {
		var err error
		if old, err = g.v.Format.encode(secret); err != nil {
			return nil, err
		}
		defer clear(old)
		remembered = g.remembered(g.v.Reference, old)
	}
	coded, err := ch.NewFormat.encode(pin)
	if err != nil {
		return nil, ErrNewPIN
	}
	defer clear(coded)
	t := newPINTrip(ch.Replace(old, coded), remembered)
	t.set, t.changes = g.remembered(ch.New, coded), true
	return t, nil
}
