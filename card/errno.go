package card

import (
	"errors"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A meaning is what follows from a PC/SC error code.
type meaning struct {
	err error // the error of this package for it, nil if there is none

	disconnected bool // the connection to the service is lost; a new one may work
	explained    bool // the code says what happened to the card
	tooLong      bool // the command may be too long for the reader
	unsent       bool // the command did not reach the card
}

var meanings = map[driver.Errno]meaning{
	driver.NoService:          {err: ErrNoService, disconnected: true},
	driver.ServiceStopped:     {err: ErrNoService, disconnected: true},
	driver.CommError:          {err: ErrNoService, disconnected: true},
	driver.InvalidHandle:      {disconnected: true},
	driver.InvalidValue:       {err: ErrNoReader}, // from pcscd, for an unplugged reader
	driver.UnknownReader:      {err: ErrNoReader},
	driver.ReaderUnavailable:  {err: ErrNoReader},
	driver.NoReadersAvailable: {err: ErrNoReader},
	driver.NoSmartcard:        {err: ErrNoCard},
	driver.RemovedCard:        {err: ErrRemoved, explained: true},
	driver.ResetCard:          {err: ErrReset, explained: true},
	driver.UnpoweredCard:      {err: ErrReset, explained: true},
	driver.UnresponsiveCard:   {err: ErrMute},
	driver.UnsupportedCard:    {err: ErrMute},
	driver.SharingViolation:   {err: ErrBusy},
	driver.NotTransacted:      {err: ErrNoResponse, tooLong: true},
	driver.CommDataLost:       {err: ErrNoResponse, tooLong: true},
	driver.InsufficientBuffer: {tooLong: true},
	driver.InvalidParameter:   {tooLong: true, unsent: true},
	driver.InternalError:      {tooLong: true},
	driver.UnsupportedFeature: {tooLong: true},

	// Windows returns the codes of its reader drivers.
	errorGenFailure:       {tooLong: true},
	errorInvalidParameter: {tooLong: true, unsent: true},
	errorIODevice:         {tooLong: true},
}

// Codes of Windows itself (winerror.h).
const (
	errorGenFailure       driver.Errno = 0x1F
	errorInvalidParameter driver.Errno = 0x57
	errorIODevice         driver.Errno = 0x45D
)

// meaningOf returns the meaning of the PC/SC code in err, zero if there is none.
func meaningOf(err error) meaning {
	var code driver.Errno
	switch {
	case errors.As(err, &code):
		return meanings[code]
	case errors.Is(err, ErrNoResponse):
		return meaning{err: ErrNoResponse, tooLong: true}
	case errors.Is(err, ErrNoService):
		return meaning{err: ErrNoService, disconnected: true}
	}
	return meaning{}
}

// named adds the error of this package to a PC/SC error with that meaning. The text
// keeps the code, which users search for.
func named(err error) error {
	var code driver.Errno
	if err == nil || !errors.As(err, &code) {
		return err
	}
	m := meanings[code]
	if m.err == nil || errors.Is(err, m.err) {
		return err
	}
	return &namedError{m.err, err, code}
}

// A namedError is a PC/SC error with its name in this package.
type namedError struct {
	name  error
	cause error
	code  driver.Errno
}

func (e *namedError) Error() string {
	text := e.name.Error()
	if cause := e.cause.Error(); cause != e.code.Error() { // the driver knew more
		if strings.Contains(cause, text) {
			text = cause
		} else {
			text += ": " + cause
		}
	}
	return fmt.Sprintf("%s (%08X)", text, uint32(e.code))
}

func (e *namedError) Unwrap() []error { return []error{e.name, e.cause} }
