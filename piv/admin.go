package piv

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// An Admin generates, imports, moves and deletes keys and stores objects, with the
// management key of the card. It is a separate type, so listing and signing code
// cannot write.
//
// Each call is a transaction that authenticates with the management key, and ends the
// authentication as far as the card supports it. Arguments are checked before
// anything is sent, and what the card is known to lack (errors.ErrUnsupported)
// before anything is changed. If a command that writes was interrupted, the error is
// an *[InterruptedError] with the state of the card.
//
// A management key that the card refused is not sent again, since some cards count.
// An Admin is safe for concurrent use.
type Admin struct {
	card *Card

	mu      sync.Mutex // guards what follows
	key     ManagementKey
	refused error // the refusal of key; nil if it was not refused
}

// Admin returns the Admin of the card. Nothing is sent: a wrong key fails the first
// call with [ErrManagementKey]. The caller destroys the key after the last call.
func (c *Card) Admin(key ManagementKey) *Admin { return &Admin{card: c, key: key} }

// authenticate authenticates with the management key. end ends the authentication.
func (a *Admin) authenticate(tx *card.Tx) (end func(), err error) {
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
	return func() { key.endAuthentication(tx) }, err
}

// Check authenticates with the management key and changes nothing.
func (a *Admin) Check(ctx context.Context) error {
	err := cardapp.Read(ctx, a.card.card, a.card.ensureSame, func(tx *card.Tx) error {
		end, err := a.authenticate(tx)
		if err == nil {
			end()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("piv: check management key: %w", err)
	}
	return nil
}

// A State is what became of a card after a command that should have changed it.
type State int

const (
	Unknown   State = iota // it may have changed or not
	Unchanged              // it is as before
	Changed                // it is as the command should leave it
	Damaged                // neither: what it had before is lost
)

var stateText = [...]string{
	Unknown:   "the card may have changed or not",
	Unchanged: "the card has not changed",
	Changed:   "the card has changed",
	Damaged:   "the old content is lost and the new one is incomplete",
}

// String returns a clause for an error text.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateText) {
		return fmt.Sprintf("state %d", int(s))
	}
	return stateText[s]
}

// An InterruptedError says that a command that writes was sent and its response was
// lost, or that the card refused it after it had accepted a part, and what became of
// the card.
type InterruptedError struct {
	State State
	Err   error // why the response was lost, or why the rest was refused
}

func (e *InterruptedError) Error() string {
	return fmt.Sprintf("interrupted: %v; %v", e.Err, e.State)
}

func (e *InterruptedError) Unwrap() error { return e.Err }

// Hint returns what the user can do, for [card.Hint].
func (e *InterruptedError) Hint() string {
	switch e.State {
	case Changed:
		return "Continue: the card has accepted the change."
	case Damaged:
		return "Store the old content again, or less than the card refused."
	}
	return "Insert the card again and repeat the operation."
}

// A change is one command that writes.
type change struct {
	// check returns an error if the card lacks what the command needs. It runs
	// before the authentication.
	check func(*card.Tx) error

	command  card.Command
	identity bool // it changes the object that identifies the card

	// explain returns the error for a refusal of the command. Nil: the refusal.
	explain func(error) error

	// look reads the state of the card after the command was interrupted, in
	// another transaction. Nil: it cannot be read.
	look func(context.Context) State
}

// do performs a change and returns the response.
func (a *Admin) do(ctx context.Context, c change) (response []byte, err error) {
	sent := false
	transaction := func(tx *card.Tx) error {
		if err := a.card.ensureSame(tx); err != nil {
			return err
		}
		if c.check != nil {
			if err := c.check(tx); err != nil {
				return err
			}
		}
		end, err := a.authenticate(tx)
		if err != nil {
			return err
		}
		defer end()
		response, sent, err = send(tx, c.command)
		switch {
		case err == nil && c.identity:
			err = a.card.renewIdentity(tx)
		case isObjectError(err) && c.explain != nil:
			err = c.explain(err)
		}
		return err
	}
	err = a.card.card.Do(ctx, transaction)
	if errors.Is(err, card.ErrReset) && !sent {
		err = a.card.card.Do(ctx, transaction)
	}
	if sent {
		err = interrupted(ctx, err, c.look)
	}
	return response, err
}

// send sends a command that writes, and reports whether it was sent.
func send(tx *card.Tx, c card.Command) (response []byte, sent bool, err error) {
	if err := tx.Context().Err(); err != nil {
		return nil, false, err
	}
	response, err = tx.Command(c)
	return response, true, err
}

// interrupted returns an InterruptedError, unless err is nil or a status of a card that
// has not changed.
func interrupted(ctx context.Context, err error, look func(context.Context) State) error {
	var status card.Status
	refused := errors.As(err, &status)
	if err == nil || refused && !fault.IsPartial(err) {
		return err
	}
	state := Unknown
	if look != nil && ctx.Err() == nil {
		state = look(ctx)
	}
	if refused && (state == Unchanged || look == nil) {
		return err
	}
	return &InterruptedError{state, err}
}
