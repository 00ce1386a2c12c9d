package card

import (
	"bytes"
	"errors"
)

// verify sends the PIN, if nothing speaks against it in this very section.
func (g *guard) verify(tx *Tx, given answer) error {
	v, memory := g.v, &g.card.service.refused
	status, err := g.status(tx)
	if err != nil {
		return err
	}
	memory.resolve(g.key(), status)
	not := func(why error) error { return &PINError{v.Reference, status.Retries, false, why} }
	out, err := g.prepare(given)
	if err != nil {
		return not(err)
	}
	defer clear(out.command.Data)
	switch {
	case g.allowed():
		tx.verified(g.key(), v.Logout) // whatever it is that Allow proves
		if err := g.change.Allow(tx); err != nil {
			return err
		}
	case status.Blocked:
		return not(ErrPINBlocked)
	case memory.has(out.pin):
		return not(ErrRefusedBefore)
	case status.last() && !given.pin.allowLast:
		return not(ErrLastTry)
	case out.pad == 0 && g.verifiesFirst():
		alone := *g
		alone.change = nil
		if err := alone.verify(tx, answer{pin: given.pin}); err != nil {
			return err
		}
	}
	if err := tx.usable(); err != nil {
		return err
	}
	// The answer may be lost: from here on the PIN counts as verified until
	// it was logged out, and the try as spent until the card says otherwise.
	restore := tx.verified(g.key(), v.Logout)
	memory.sent(out.pin, g.key(), status)
	out.heard = func(err error) { g.remember(out, err) }
	if err = tx.sendPIN(out); err == nil {
		return nil
	}
	var answered Status
	if !errors.As(err, &answered) {
		return &PINError{v.Reference, max(status.Retries, 0) - 1, true, err}
	}
	if _, failed := answered.Retries(); failed {
		restore() // any other status may mean anything
	}
	return g.refusal(answered, err, out, status)
}

// verifiesFirst reports whether a secret is to be known as right before it is sent
// with a new PIN.
func (g *guard) verifiesFirst() bool {
	f := g.v.Format
	return g.change != nil && !f.Padded && f.Min != f.Max && g.v.Verify != nil
}

// knownRight reports whether a PIN is set by what the card has taken already: then
// it is the new PIN that a refusal is about. Some cards count no try and say that one
// is wrong if they do not like its length.
func (g *guard) knownRight() bool { return g.allowed() || g.verifiesFirst() }

// A sending is a PIN on its way to the card.
type sending struct {
	command Command
	pin     refusal // the PIN in it, to know it again
	set     refusal // the PIN that it sets

	pad   uint32 // the PIN is typed on the reader: the control code for that
	order []byte // and what goes with it

	heard func(error) // is told how it ended, even if nobody waits for that any more
}

// prepare makes the command that carries what was given.
func (g *guard) prepare(given answer) (out sending, err error) {
	if g.padTakes() && given.pin.secret == nil && given.new.secret == nil {
		return g.typed(), nil
	}
	memory := &g.card.service.refused
	var coded []byte
	if !g.allowed() {
		if coded, err = g.v.Format.encode(given.pin); err != nil {
			return out, err
		}
		defer clear(coded)
		out.pin = memory.of(g.identity, g.v.Reference, coded)
	}
	var c Command
	if ch := g.change; ch == nil {
		c = g.v.Verify(coded)
	} else {
		set, err := ch.NewFormat.encode(given.new)
		if err != nil {
			return out, ErrNewPIN
		}
		defer clear(set)
		out.set = memory.of(g.identity, ch.New, set)
		c = ch.Replace(coded, set)
	}
	defer clear(c.Data) // it may be coded itself
	c.Secret = true
	out.command = c
	out.command.Data = bytes.Clone(c.Data)
	return out, nil
}

// remember draws the lesson for the next time from how the sending of a PIN
// ended.
func (g *guard) remember(out sending, err error) {
	memory := &g.card.service.refused
	var status Status
	switch answered := errors.As(err, &status); {
	case err == nil:
		memory.taken(out.pin)
		memory.taken(out.set)
	case !answered:
		memory.taken(out.set) // it may have been set
	case g.knownRight():
		memory.taken(out.pin)
	case refuses(status), g.change == nil && badForm(status):
		memory.add(out.pin)
	}
}

// refuses reports whether a status says that a PIN is wrong.
func refuses(s Status) bool {
	_, failed := s.Retries()
	return failed || s == StatusMethodBlocked
}

// badForm reports whether a status says that a PIN cannot be right.
func badForm(s Status) bool { return s == StatusWrongData || s == StatusWrongLength }

// refusal says what the status means that ended the sending of a PIN.
func (g *guard) refusal(status Status, err error, out sending, before PINStatus) error {
	reference := g.v.Reference
	left, failed := status.Retries()
	switch {
	case g.knownRight() && (failed && left != 0 || badForm(status)):
		return &PINError{g.change.New, before.Retries, true, ErrNewPIN}
	case out.pad != 0 && status == padDiffers:
		return &PINError{reference, before.Retries, false, ErrNewPIN}
	case out.pad != 0 && status == padTooShort:
		return &PINError{reference, before.Retries, false, ErrPINFormat}
	case failed && left == 0, status == StatusMethodBlocked:
		return &PINError{reference, 0, true, ErrPINBlocked}
	case failed:
		return &PINError{reference, left, true, ErrWrongPIN}
	case g.change != nil && (status == StatusWrongData || status == StatusConditionsNotMet):
		return &PINError{g.change.New, before.Retries, true, ErrNewPIN}
	case badForm(status):
		return &PINError{reference, -1, true, ErrPINFormat}
	}
	return err // not about the PIN: the card does not verify it here and now
}

// verified notes what ends the verification of a PIN; restore takes it back.
func (tx *Tx) verified(key string, logout func(*Tx) error) (restore func()) {
	k := tx.link
	if k.logouts == nil {
		k.logouts = make(map[string]func(*Tx) error)
	}
	if _, before := k.logouts[key]; before {
		return func() {} // cards differ in whether a refusal ends it
	}
	k.logouts[key] = logout
	return func() { delete(k.logouts, key) }
}

// key names the PIN among all of this card.
func (g *guard) key() string { return g.identity + " " + g.v.Reference.String() }
