package card

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/fault"
)

// Errors that an [Error] wraps, besides a [Status], a *[PINError], an error of package
// driver, and the error of the context. [Hint] returns the remedy for each.
var (
	ErrNoService  = fault.Sentinel(fault.Service, "smart card service is not running")
	ErrNoReader   = fault.Sentinel(fault.Reader, "no such reader")
	ErrNoCard     = fault.Sentinel(fault.Reader, "no card in the reader")
	ErrMute       = fault.Sentinel(fault.Card, "card does not answer to reset")
	ErrBusy       = fault.Sentinel(fault.Card, "another program holds the card")
	ErrRemoved    = fault.Sentinel(fault.Reader, "card was removed")
	ErrChanged    = fault.Sentinel(fault.Reader, "card is not the one that was listed")
	ErrReset      = fault.Sentinel(fault.Card, "card was reset while in use")
	ErrNoResponse = fault.Sentinel(fault.Card, "card sent no response")
	ErrMalformed  = fault.Sentinel(fault.Object, "malformed data from the card")
	ErrOver       = fault.Sentinel(fault.Card, "transaction is over")
	ErrClosed     = fault.Sentinel(fault.Service, "service is closed")
)

// An Error is the error of a call of this package.
type Error struct {
	Reader string // empty if no single reader is concerned
	Op     string // the operation that failed
	Err    error
}

func (e *Error) Error() string {
	if e.Reader == "" {
		return "card: " + e.Op + ": " + e.Err.Error()
	}
	return fmt.Sprintf("card: %q: %s: %v", e.Reader, e.Op, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// wrap returns err as an *Error, unless it is nil or wraps one already.
func wrap(reader, op string, err error) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return &Error{reader, op, named(err)}
}

// malformed returns an ErrMalformed with a description.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// contextError returns why the context of a transaction ended.
func contextError(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), ErrClosed) {
		return ErrClosed
	}
	return ctx.Err()
}
