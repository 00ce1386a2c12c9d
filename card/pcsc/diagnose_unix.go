//go:build cgo && !pcsclite_go && (linux || freebsd || netbsd || openbsd || dragonfly)

package pcsc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ebfe/scard"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
)

// diagnose returns why libpcsclite could not establish a context. It returns the
// same few numbers if pcscd does not run, refuses the user or supports another
// version, and if the process cannot open a socket; the client in Go can tell.
func diagnose(err error) (*scard.Context, error) {
	if !errors.Is(err, driver.NoService) && !errors.Is(err, driver.ServiceStopped) &&
		!errors.Is(err, driver.SecurityViolation) && !errors.Is(err, driver.InternalError) {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	switch cause := client.Probe(ctx, client.Path()); {
	case cause == nil:
	case ctx.Err() != nil:
		return nil, err
	default:
		return nil, cause
	}
	// The service runs now: it has just started, or only libpcsclite is refused.
	c, again := scard.EstablishContext()
	if again = errno(again); errors.Is(again, driver.ServiceStopped) {
		again = libraryVersionError{}
	}
	return c, again
}

// A libraryVersionError reports that pcscd refuses libpcsclite and not the client
// in Go, which supports more versions.
type libraryVersionError struct{}

func (libraryVersionError) Error() string {
	return fmt.Sprintf("pcscd at %q does not support the protocol version of libpcsclite", client.Path())
}

func (libraryVersionError) Hint() string {
	return "Install pcscd and libpcsclite of the same version, or build the program with the tag pcsclite_go."
}
