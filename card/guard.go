package card

import (
	"bytes"
	"context"
	"errors"
)

// A Verification is all that an application says about one of its PINs. Its
// functions run in a section and use only the Tx they are given.
type Verification struct {
	Purpose   string // what the PIN is for: PINRequest.Purpose
	Reference Reference
	Format    PINFormat

	// Select makes the application current, or finds that it is. A PIN leaves
	// the program only in a section in which Select returned nil.
	Select func(*Tx) error

	// Identity is what the application calls this card, for the person
	// (PINRequest.Card) and to know it again in another reader.
	Identity func(*Tx) (string, error)

	// Status asks how the PIN stands. It must not cost a try.
	Status func(*Tx) (PINStatus, error)

	// Verify is the command that carries the PIN in its format.
	Verify func(pin []byte) Command

	// Logout ends the verification. Nil: the card is reset for it.
	Logout func(*Tx) error

	// Always asks for the PIN and verifies it even if it is verified already.
	Always bool

	// PIN is asked for the PIN. Nil: ErrPINRequired, unless it is verified.
	PIN PINFunc
}

// DoVerified runs f in a section in which the PIN is verified, as [Card.Do] runs
// it in any. The package comment says what it promises. It first finds out how
// the PIN stands, in a section of its own; then it asks; then it verifies and
// runs f, which can rely on its application being selected. A PIN that was
// verified is logged out again at the end, unless the card is held.
func (c *Card) DoVerified(ctx context.Context, v Verification, f func(*Tx) error) error {
	g := &guard{card: c, v: v}
	return wrap(c.reader, "verify the PIN", g.run(ctx, f))
}

// A guard is one run of DoVerified or DoChange.
type guard struct {
	card     *Card
	v        Verification
	change   *Change // nil where the PIN is only verified
	identity string
	of       insertion // the card that the PIN is asked for
	pad      pad       // of its reader
}

func (g *guard) run(ctx context.Context, f func(*Tx) error) error {
	var refused error // why the last answer was not taken
	for range maxAnswers {
		status, done, err := g.look(ctx, f)
		switch {
		case done || err != nil:
			return err
		case status.Blocked:
			return &PINError{g.v.Reference, 0, false, ErrPINBlocked}
		case g.v.PIN == nil:
			return &PINError{g.v.Reference, status.Retries, false, ErrPINRequired}
		}
		given, err := g.ask(ctx, status, refused)
		if err != nil { // whoever gives up may say so with why the last answer was not taken
			given.destroy()
			return err
		}
		err = g.card.section(ctx, func(tx *Tx) error {
			if err := g.verify(tx, given); err != nil {
				return err
			}
			return f(tx)
		})
		given.destroy()
		if !askAgain(err) {
			return err
		}
		refused = err
	}
	return refused
}

// maxAnswers bounds how often a PINFunc is asked that does not heed why its
// answers are not taken.
const maxAnswers = 16

// askAgain reports whether an error is one that another PIN, or consent to the
// last try, can mend.
func askAgain(err error) bool {
	var e *PINError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Err {
	case ErrWrongPIN, ErrLastTry, ErrRefusedBefore, ErrPINFormat, ErrNewPIN:
		return true
	}
	return false
}

// An answer is what was given for one use of the guard.
type answer struct {
	pin PIN
	new PIN // the one to set, where one is set
}

func (a answer) destroy() {
	a.pin.Destroy()
	a.new.Destroy()
}

// ask asks for the PIN, and for the new one where one is to be set.
func (g *guard) ask(ctx context.Context, status PINStatus, refused error) (a answer, err error) {
	r := PINRequest{
		Reader:    g.card.reader,
		Card:      g.identity,
		Purpose:   g.v.Purpose,
		Reference: g.v.Reference,
		Format:    g.v.Format,
		Retries:   status.Retries,
		Last:      status.last(),
		Pad:       g.padTakes(),
		service:   g.card.service,
		insertion: g.of,
	}
	if !errors.Is(refused, ErrNewPIN) {
		r.Refused, refused = refused, nil
	}
	a.pin, err = g.v.PIN(ctx, r)
	if err == nil && g.change != nil {
		r.Reference, r.Format, r.New = g.change.New, g.change.NewFormat, true
		r.Retries, r.Last, r.Refused = -1, false, refused
		a.new, err = g.v.PIN(ctx, r)
	}
	return a, err
}

// look finds out how the PIN stands. If it is verified, and that is enough, it
// runs f.
func (g *guard) look(ctx context.Context, f func(*Tx) error) (status PINStatus, done bool, err error) {
	err = g.card.section(ctx, func(tx *Tx) error {
		g.of = insertion{tx.card.events, tx.lane.resets}
		if status, err = g.status(tx); err != nil {
			return err
		}
		if g.identity, err = g.v.Identity(tx); err != nil {
			return err
		}
		if status.Verified && !g.v.Always && g.change == nil {
			done = true
			return f(tx)
		}
		g.card.service.refused.resolve(g.key(), status)
		g.pad = tx.pad()
		return nil
	})
	return status, done, err
}

func (g *guard) status(tx *Tx) (PINStatus, error) {
	if err := g.v.Select(tx); err != nil {
		return PINStatus{}, err
	}
	return g.v.Status(tx)
}

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
	case status.Blocked:
		return not(ErrPINBlocked)
	case memory.has(out.pin):
		return not(ErrRefusedBefore)
	case status.last() && !given.pin.evenLast:
		return not(ErrLastTry)
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
	restore()
	return g.refusal(answered, err, out, status)
}

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
	coded, err := g.v.Format.encode(given.pin)
	if err != nil {
		return out, err
	}
	defer clear(coded)
	out.pin = memory.of(g.identity, g.v.Reference, coded)
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
	case refuses(status), g.change == nil && badForm(status):
		memory.add(out.pin)
	}
}

// refuses reports whether a status says that a PIN is wrong.
func refuses(s Status) bool {
	_, failed := s.Retries()
	return failed || s == MethodBlocked
}

// badForm reports whether a status says that a PIN cannot be right.
func badForm(s Status) bool { return s == WrongData || s == WrongLength }

// refusal says what the status means that ended the sending of a PIN.
func (g *guard) refusal(status Status, err error, out sending, before PINStatus) error {
	reference := g.v.Reference
	left, failed := status.Retries()
	switch {
	case out.pad != 0 && status == padDiffers:
		return &PINError{reference, before.Retries, false, ErrNewPIN}
	case out.pad != 0 && status == padTooShort:
		return &PINError{reference, before.Retries, false, ErrPINFormat}
	case failed && left == 0, status == MethodBlocked:
		return &PINError{reference, 0, true, ErrPINBlocked}
	case failed:
		return &PINError{reference, left, true, ErrWrongPIN}
	case g.change != nil && (status == WrongData || status == ConditionsNotMet):
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
