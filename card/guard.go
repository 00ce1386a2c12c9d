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

	// Logout ends the verification. Nil: the card is reset for it.
	Logout func(*Tx) error

	// Always asks for the PIN and verifies it even if it is verified already.
	Always bool

	// PIN is asked for the PIN. Nil: ErrPINRequired, unless it is verified.
	PIN PINFunc
}

// DoWithPIN runs f in a section in which the PIN is verified, as [Card.Do] runs
// it in any. The package comment says what it promises. It first finds out how
// the PIN stands, in a section of its own; then it asks; then it verifies and
// runs f, which can rely on its application being selected. A PIN that was
// verified is logged out again at the end, unless the card is held.
func (c *Card) DoWithPIN(ctx context.Context, v Verification, f func(*Tx) error) error {
	g := &guard{card: c, v: v}
	return wrap(c.reader, "verify the PIN", g.run(ctx, f))
}

// A guard is one run of DoWithPIN or ChangePIN.
type guard struct {
	card     *Card
	v        Verification
	change   *PINChange // nil where the PIN is only verified
	identity string
	of       insertion // the card that the PIN is asked for
	pad      pad       // of its reader
}

// allowed reports whether a PIN is set without a secret that a person knows.
func (g *guard) allowed() bool { return g.change != nil && g.change.Allow != nil }

func (g *guard) run(ctx context.Context, f func(*Tx) error) error {
	var refused error // why the last answer was not taken
	for range maxAnswers {
		status, done, err := g.look(ctx, f)
		switch {
		case done || err != nil:
			return err
		case status.Blocked && !g.allowed():
			return &PINError{g.v.Reference, 0, false, ErrPINBlocked}
		case g.v.PIN == nil:
			return &PINError{g.v.Reference, status.Retries, false, ErrPINRequired}
		}
		given, err := g.ask(ctx, status, refused)
		if err != nil { // whoever gives up may say so with why the last answer was not taken
			given.destroy()
			return err
		}
		err = g.card.transact(ctx, func(tx *Tx) error {
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
	if !g.allowed() {
		a.pin, err = g.v.PIN(ctx, r)
	}
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
	err = g.card.transact(ctx, func(tx *Tx) error {
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
