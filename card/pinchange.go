package card

import (
	"context"
	"errors"
)

// A PINChange is all that an application says about setting a PIN.
type PINChange struct {
	// Verification is of the secret that allows it: the PIN that is replaced,
	// or one that unblocks it. A wrong secret costs one of its tries. PIN is
	// called twice: for the secret, and for the new PIN (PINRequest.New).
	// Always is not used.
	Verification

	// VerifyFirst verifies the secret by a command of its own before it is
	// sent with the new PIN. It is needed where neither is padded: the card
	// splits the two by the length of the secret that it knows, and could take
	// part of a wrong secret for the new PIN.
	VerifyFirst bool

	// Allow stands for the secret where the user does not know one. It runs in
	// the transaction, with the application selected. Then PIN is called for
	// the new PIN only, and Replace gets nil for the secret; Verification is
	// of the PIN that is set, which may be blocked. Logout also ends what
	// Allow has proved.
	Allow func(*Tx) error

	New       Reference // the PIN that is set
	NewFormat PINFormat

	// Replace returns the command that carries both, each in its format: CHANGE
	// REFERENCE DATA or RESET RETRY COUNTER (ISO/IEC 7816-4, 11.5.6 and 11.5.10).
	Replace func(secret, pin []byte) Command
}

// ChangePIN sets a PIN. It keeps the promises of [Card.DoWithPIN] for the secret
// that allows it. A new PIN that the card does not accept is asked for again, with
// ErrNewPIN as the reason.
func (c *Card) ChangePIN(ctx context.Context, ch PINChange) error {
	return wrap(c.reader, "set PIN", c.changePIN(ctx, ch))
}

func (c *Card) changePIN(ctx context.Context, ch PINChange) error {
	g := &guard{card: c, v: ch.Verification, change: &ch}
	defer g.release()
	var refused error // why the last answers were not accepted
	for range maxPrompts {
		before, _, err := g.look(ctx, nil)
		switch {
		case err != nil:
			return err
		case before.Blocked && ch.Allow == nil:
			return g.notSent(before, ErrPINBlocked)
		case ch.PIN == nil:
			return g.notSent(before, ErrPINRequired)
		}
		secret, pin, err := g.askForBoth(ctx, before, refused)
		if err != nil {
			secret.Destroy()
			pin.Destroy()
			return gaveUp(err, refused)
		}
		err = g.transact(ctx, func(tx *Tx) error { return g.replace(tx, secret, pin, before) })
		secret.settle(err)
		secret.Destroy()
		pin.Destroy()
		if !canRetry(err) {
			return err
		}
		refused = err
	}
	return refused
}

// askForBoth asks for the secret, unless Allow stands for it, and for the new PIN.
func (g *guard) askForBoth(ctx context.Context, before PINStatus, refused error) (secret, pin PIN, err error) {
	ofSecret, ofNew := refused, error(nil)
	if errors.Is(refused, ErrNewPIN) {
		ofSecret, ofNew = nil, refused
	}
	if g.change.Allow == nil {
		secret, err = g.v.PIN(ctx, g.request(before, ofSecret))
	}
	if err == nil {
		r := g.request(before, ofNew)
		r.Reference, r.Format, r.New = g.change.New, g.change.NewFormat, true
		r.Retries, r.Last = -1, false
		pin, err = g.v.PIN(ctx, r)
	}
	return secret, pin, err
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
	defer t.clear()
	if g.change.Allow != nil {
		tx.noteVerified(g.key(), g.v.Logout) // Logout ends what Allow proves, too
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
		defer first.clear()
		if err := g.send(tx, first, now); err != nil {
			return err
		}
		t.secretIsRight = true
	}
	return g.send(tx, t, now)
}

// changeTrip builds the command that carries both.
func (g *guard) changeTrip(secret, pin PIN) (*trip, error) {
	if g.padTakes() && secret.isZero() && pin.isZero() {
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
