package piv

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// An Admin changes what is on a card, as whoever has its management key may: it
// makes, imports and removes keys, and stores objects. No other type does, so a
// program that only lists and signs cannot write by mistake.
//
// Each call is a section of its own, in which the management key is proved anew;
// it ends with nobody authenticated, as far as the card lets one. Arguments, and
// what the card is known to lack (errors.ErrUnsupported), are checked before
// anything is sent that changes it. When a command that changes the card is
// interrupted, the error is an *[InterruptedError], which says how the card
// stands.
//
// An Admin is safe for concurrent use. A key that the card refused once it does
// not send again: some cards count.
type Admin struct {
	card *Card

	mu      sync.Mutex // guards what follows
	key     ManagementKey
	refused error // why the card did not take the key
}

// Admin is the card for its administrator. Nothing is sent; a wrong key shows at
// the first use, as [ErrManagementKey]. The key is the caller's to destroy, when
// the Admin has done its work.
func (c *Card) Admin(key ManagementKey) *Admin { return &Admin{card: c, key: key} }

// authenticate proves the management key, and returns what ends that.
func (a *Admin) authenticate(tx *card.Tx) (abandon func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused != nil {
		return nil, fmt.Errorf("not sent again: %w", a.refused)
	}
	err = a.key.authenticate(tx)
	if errors.Is(err, ErrManagementKey) {
		a.refused = err
	}
	key := a.key
	return func() { key.abandon(tx) }, err
}

// Check proves the management key and changes nothing.
func (a *Admin) Check(ctx context.Context) error {
	err := cardapp.Read(ctx, a.card.card, a.card.ensureSame, func(tx *card.Tx) error {
		abandon, err := a.authenticate(tx)
		if err == nil {
			abandon()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("piv: check management key: %w", err)
	}
	return nil
}

// A State is how a card stands after a command that should have changed it.
type State int

const (
	Unknown   State = iota // it may have changed or not
	Unchanged              // as before
	Changed                // as the command should leave it
)

var stateText = [...]string{
	Unknown:   "the card may have changed or not",
	Unchanged: "the card is as before",
	Changed:   "the card has changed all the same",
}

// String is a sentence for people.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateText) {
		return fmt.Sprintf("state %d", int(s))
	}
	return stateText[s]
}

// An InterruptedError says that a command which changes the card was sent, and
// that what the card answered is not known.
type InterruptedError struct {
	State State
	Err   error // what happened
}

func (e *InterruptedError) Error() string {
	return fmt.Sprintf("interrupted: %v; %v", e.Err, e.State)
}

func (e *InterruptedError) Unwrap() error { return e.Err }

// Hint says what a person can do.
func (e *InterruptedError) Hint() string {
	if e.State == Changed {
		return "Nothing is left to do: the card took the change."
	}
	return "Insert the card again and repeat what was interrupted."
}

// A change is one command that changes the card.
type change struct {
	// check refuses what the card lacks, before anybody is authenticated.
	check func(*card.Tx) error

	command  card.Command
	identity bool // it changes what the identity of the card is made of

	// look finds out, in a section of its own, how the card stands after the
	// command was interrupted. Nil: there is no way to.
	look func(context.Context) State
}

// do makes a change.
func (a *Admin) do(ctx context.Context, c change) (answer []byte, err error) {
	sent := false
	transaction := func(tx *card.Tx) error {
		if c.check != nil {
			if err := c.check(tx); err != nil {
				return err
			}
		}
		abandon, err := a.authenticate(tx)
		if err != nil {
			return err
		}
		defer abandon()
		answer, sent, err = send(tx, c.command)
		if c.identity {
			tx.ForgetIdentity(application)
		}
		return err
	}
	entered := func(tx *card.Tx) error {
		if err := a.card.ensureSame(tx); err != nil {
			return err
		}
		return transaction(tx)
	}
	err = a.card.card.Do(ctx, entered)
	if errors.Is(err, card.ErrReset) && !sent {
		err = a.card.card.Do(ctx, entered)
	}
	if sent {
		err = interrupted(ctx, err, c.look)
	}
	return answer, err
}

// send sends a command that changes the card, and reports whether it left.
func send(tx *card.Tx, c card.Command) (answer []byte, sent bool, err error) {
	if err := tx.Context().Err(); err != nil {
		return nil, false, err
	}
	answer, err = tx.Command(c)
	return answer, true, err
}

// interrupted says how the card stands, if err is not about what the card
// answered.
func interrupted(ctx context.Context, err error, look func(context.Context) State) error {
	var status card.Status
	if err == nil || errors.As(err, &status) {
		return err
	}
	state := Unknown
	if look != nil && ctx.Err() == nil {
		state = look(ctx)
	}
	return &InterruptedError{state, err}
}

// yubiKey is the firmware of the card, or the zero version of another card.
func (c *Card) yubiKey(tx *card.Tx) (v Version, is bool, err error) {
	v, err = c.firmware(tx)
	if errors.Is(err, errors.ErrUnsupported) {
		return Version{}, false, nil
	}
	return v, err == nil, err
}
