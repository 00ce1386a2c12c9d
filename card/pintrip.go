package card

import (
	"bytes"
	"errors"
)

// newPINTrip returns a trip that carries a PIN: a copy of c, which may share its
// data with what the caller zeroes. The trip zeroes its own data.
func newPINTrip(c Command, pin refusal) *trip {
	defer clear(c.Data)
	c.Secret = true
	c.Ne = 0 // a response with 6Cxx must not repeat the command
	t := &trip{command: c, pin: pin}
	t.command.Data = bytes.Clone(c.Data)
	return t
}

// send sends the PIN of t and returns why the card did not accept it. before is the
// status in this transaction.
func (g *guard) send(tx *Tx, t *trip, before PINStatus) error {
	if err := tx.usable(); err != nil {
		return err
	}
	// The response may be lost: from here on the PIN counts as verified until
	// it was logged out, and the try as spent until the card says otherwise.
	undo := tx.noteVerified(g.key(), g.v.Logout)
	g.card.service.refused.sent(t.pin, g.pinID(), before)
	t.done = func(err error) { g.remember(t, err) }
	if t.pad != 0 {
		traceOf(tx.ctx).pad(tx.card.reader)
	}
	_, err := tx.start(t)
	if err == nil {
		return nil
	}
	var status Status
	if !errors.As(err, &status) {
		return g.pinError(g.v.Reference, max(before.Retries, 0)-1, true, wrap(tx.card.reader, insName(t.command.INS), err))
	}
	if _, failed := status.Retries(); failed {
		undo() // only a counted failure proves that the PIN is not verified
	}
	if why := g.refusal(status, t, before); why != nil {
		return why
	}
	return wrap(tx.card.reader, insName(t.command.INS), err)
}

// remember notes for later how a trip ended, even if the transaction was left
// before.
func (g *guard) remember(t *trip, err error) {
	memory := &g.card.service.refused
	var status Status
	switch responded := errors.As(err, &status); {
	case err == nil:
		memory.accepted(t.pin)
		memory.accepted(t.set)
		memory.dropRetries(g.pinID())
		if t.changes {
			memory.dropRetries(g.idOf(g.change.New))
		}
	case !responded:
		memory.accepted(t.set) // it may have been set
	case t.secretIsRight:
		memory.accepted(t.pin)
	case refuses(status):
		memory.add(t.pin)
		n, _ := status.Retries()
		memory.setRetries(g.pinID(), n)
		g.card.forgetStatus(g.key())
	case !t.changes && badForm(status):
		memory.add(t.pin)
	}
}

// refuses reports whether a status says that a PIN is wrong.
func refuses(s Status) bool {
	_, failed := s.Retries()
	return failed || s == StatusMethodBlocked
}

// badForm reports whether a status says that a PIN cannot be right.
func badForm(s Status) bool { return s == StatusWrongData || s == StatusWrongLength }

// refusal returns why the card did not accept the PIN, nil if the status is not about
// the PIN: the card did not try to verify it.
func (g *guard) refusal(status Status, t *trip, before PINStatus) error {
	reference := g.v.Reference
	left, failed := status.Retries()
	switch {
	case t.secretIsRight && (failed && left != 0 || badForm(status)):
		// Some cards report a wrong secret, and count no try, if they do not
		// accept the length of the new PIN.
		return g.pinError(g.change.New, before.Retries, true, ErrNewPIN)
	case t.pad != 0 && status == padDiffers:
		return g.pinError(reference, before.Retries, false, ErrNewPIN)
	case t.pad != 0 && status == padTooShort:
		return g.pinError(reference, before.Retries, false, ErrPINFormat)
	case failed && left == 0, status == StatusMethodBlocked:
		return g.pinError(reference, 0, true, ErrPINBlocked)
	case failed:
		return g.pinError(reference, left, true, ErrWrongPIN)
	case t.changes && (status == StatusWrongData || status == StatusConditionsNotMet):
		return g.pinError(g.change.New, before.Retries, true, ErrNewPIN)
	case badForm(status):
		return g.pinError(reference, -1, true, ErrPINFormat)
	}
	return nil
}

// noteVerified registers the logout of a PIN. undo removes it, unless it was
// registered before: cards differ in whether a refusal ends an earlier verification.
func (tx *Tx) noteVerified(key pinKey, logout func(*Tx) error) (undo func()) {
	k := tx.link
	if k.logouts == nil {
		k.logouts = make(map[pinKey]func(*Tx) error)
	}
	if _, before := k.logouts[key]; before {
		return func() {}
	}
	k.logouts[key] = logout
	return func() { delete(k.logouts, key) }
}
