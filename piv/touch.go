package piv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// touchDelay is when a card that has not responded may be waiting for a touch, as
// for [card.Trace].
const touchDelay = 400 * time.Millisecond

// A touchError is the error of a command that may have waited for a touch.
type touchError struct{ error }

func (e touchError) Unwrap() error { return e.error }

func (touchError) Hint() string {
	return "Touch the card while it blinks; if it does not blink, insert it again."
}

// explainTouch says of an error from a key on a YubiKey, or on another card that
// reports touch policies, that a touch may have been missing. The policy may be out of
// date, since another program can replace the key: a YubiKey that stops responding
// gets the hint in any case.
func explainTouch(err error, p policy, waited time.Duration) error {
	if waited < touchDelay {
		return err
	}
	refused := errors.Is(err, card.StatusNotPermitted) || errors.Is(err, card.StatusConditionsNotMet)
	silent := fault.ReachOf(err) == fault.Card && !errors.Is(err, card.ErrReset)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case p.touch && (refused || silent):
		return touchError{fmt.Errorf("waiting for a touch: %w", err)}
	case silent && !ended:
		return touchError{err}
	}
	return err
}
