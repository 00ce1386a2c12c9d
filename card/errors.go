package card

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card/driver"
)

// What an [Error] wraps, beside a [Status], a *[PINError] and the error of the
// context. [Hint] has the remedy for each.
var (
	ErrNoService  = errors.New("smart card service is not running")
	ErrNoReader   = errors.New("no such reader")
	ErrNoCard     = errors.New("no card in the reader")
	ErrMute       = errors.New("card does not answer to reset")
	ErrBusy       = errors.New("another program holds the card")
	ErrRemoved    = errors.New("card was removed")
	ErrChanged    = errors.New("another card is in the reader, or the card was taken out and put back")
	ErrReset      = errors.New("card was reset while in use; what was selected and verified is gone")
	ErrNoResponse = errors.New("card gave no answer")
	ErrMalformed  = errors.New("malformed data from the card")
	ErrOver       = errors.New("section is over")
	ErrClosed     = errors.New("service is closed")
)

// An Error is what a failed call of this package returns.
type Error struct {
	Reader string // empty where none is concerned
	Op     string // what was being done
	Err    error
}

func (e *Error) Error() string {
	if e.Reader == "" {
		return "card: " + e.Op + ": " + e.Err.Error()
	}
	return fmt.Sprintf("card: %q: %s: %v", e.Reader, e.Op, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// wrap makes an *Error of err, unless it is nil or has one inside.
func wrap(reader, op string, err error) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return &Error{reader, op, known(err)}
}

// byErrno says which of the errors of this package a PC/SC error is.
var byErrno = map[driver.Errno]error{
	driver.NoService:          ErrNoService,
	driver.ServiceStopped:     ErrNoService,
	driver.CommError:          ErrNoService,
	driver.UnknownReader:      ErrNoReader,
	driver.ReaderUnavailable:  ErrNoReader,
	driver.NoReadersAvailable: ErrNoReader,
	driver.NoSmartcard:        ErrNoCard,
	driver.RemovedCard:        ErrRemoved,
	driver.UnresponsiveCard:   ErrMute,
	driver.UnsupportedCard:    ErrMute,
	driver.UnpoweredCard:      ErrReset,
	driver.ResetCard:          ErrReset,
	driver.SharingViolation:   ErrBusy,
	driver.NotTransacted:      ErrNoResponse,
	driver.CommDataLost:       ErrNoResponse,
}

// known puts the error of this package in front of a PC/SC error that means the
// same; the number stays in the text for whoever looks it up.
func known(err error) error {
	var no driver.Errno
	if err == nil || !errors.As(err, &no) {
		return err
	}
	for _, e := range byErrno {
		if errors.Is(err, e) {
			return err
		}
	}
	if e, ok := byErrno[no]; ok {
		return &serviceError{e, err, no}
	}
	return err
}

// A serviceError is a PC/SC error under its name in this package.
type serviceError struct {
	kind  error
	cause error
	no    driver.Errno
}

func (e *serviceError) Error() string   { return fmt.Sprintf("%v (%08X)", e.kind, uint32(e.no)) }
func (e *serviceError) Unwrap() []error { return []error{e.kind, e.cause} }

// malformed is an ErrMalformed with the facts.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// ended is why a context of a section has ended.
func ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), ErrClosed) {
		return ErrClosed
	}
	return ctx.Err()
}
