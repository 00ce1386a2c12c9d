package card

import (
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

	// Logout ends the verification.
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
	g := guard{card: c, v: v}
	return wrap(c.reader, "verify the PIN", g.run(ctx, f))
}

// A guard is one run of DoVerified.
type guard struct {
	card     *Card
	v        Verification
	identity string
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
		pin, err := g.v.PIN(ctx, PINRequest{
			Reader:    g.card.reader,
			Card:      g.identity,
			Purpose:   g.v.Purpose,
			Reference: g.v.Reference,
			Format:    g.v.Format,
			Retries:   status.Retries,
			Last:      status.last(),
			Refused:   refused,
		})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			pin.Destroy()
			return err
		}
		err = g.card.section(ctx, func(tx *Tx) error {
			if err := g.verify(tx, pin); err != nil {
				return err
			}
			return f(tx)
		})
		pin.Destroy()
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
	case ErrWrongPIN, ErrLastTry, ErrRefusedBefore, ErrPINFormat:
		return true
	}
	return false
}

// look finds out how the PIN stands. If it is verified, and that is enough, it
// runs f.
func (g *guard) look(ctx context.Context, f func(*Tx) error) (status PINStatus, done bool, err error) {
	err = g.card.section(ctx, func(tx *Tx) error {
		if status, err = g.status(tx); err != nil {
			return err
		}
		if g.identity, err = g.v.Identity(tx); err != nil {
			return err
		}
		if status.Verified && !g.v.Always {
			done = true
			return f(tx)
		}
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
func (g *guard) verify(tx *Tx, pin PIN) error {
	v, memory := g.v, &g.card.service.refused
	status, err := g.status(tx)
	if err != nil {
		return err
	}
	not := func(why error) error { return &PINError{v.Reference, status.Retries, false, why} }
	coded, err := v.Format.encode(pin)
	if err != nil {
		return not(err)
	}
	defer clear(coded)
	it := memory.of(g.identity, v.Reference, coded)
	switch {
	case status.Blocked:
		return not(ErrPINBlocked)
	case memory.has(it, status):
		return not(ErrRefusedBefore)
	case status.last() && !pin.evenLast:
		return not(ErrLastTry)
	}

	if err := tx.usable(); err != nil {
		return err
	}
	// The answer may be lost: from here on the PIN counts as verified until
	// it was logged out, and the try as spent until the card says otherwise.
	tx.verified(g.key(), v.Logout)
	memory.lost(it, status)
	command := v.Verify(coded)
	command.Secret = true
	_, err = tx.Command(command)
	clear(command.Data)
	if err == nil {
		memory.taken(it)
		return nil
	}
	return g.refusal(tx, err, it, status)
}

// refusal says what an error of VERIFY means.
func (g *guard) refusal(tx *Tx, err error, it refusal, before PINStatus) error {
	v, memory := g.v, &g.card.service.refused
	var status Status
	if !errors.As(err, &status) { // no answer: the try counts as spent
		return &PINError{v.Reference, max(before.Retries, 0) - 1, true, err}
	}
	left, failed := status.Retries()
	delete(tx.link.logouts, g.key())
	switch {
	case failed && left == 0, status == MethodBlocked:
		memory.add(it)
		return &PINError{v.Reference, 0, true, ErrPINBlocked}
	case failed:
		memory.add(it)
		return &PINError{v.Reference, left, true, ErrWrongPIN}
	case status == WrongData || status == WrongLength:
		memory.add(it)
		return &PINError{v.Reference, -1, true, ErrPINFormat}
	}
	memory.taken(it)
	return err // not about the PIN: the card does not verify it here and now
}

// verified notes what ends the verification of a PIN.
func (tx *Tx) verified(key string, logout func(*Tx) error) {
	if tx.link.logouts == nil {
		tx.link.logouts = make(map[string]func(*Tx) error)
	}
	tx.link.logouts[key] = logout
}

// key names the PIN among all of this card.
func (g *guard) key() string { return g.identity + " " + g.v.Reference.String() }
