package card

import (
	"log/slog"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Options change how a [Service] works. The zero value, and nil, are good.
type Options struct {
	// Logger gets every command and answer at Debug, PINs and keys masked.
	// Nil logs nothing.
	Logger *slog.Logger

	// BusyTimeout is how long a section waits for other programs to let go of
	// the card before it ends with ErrBusy. Zero means 10 seconds. A context
	// can end the wait sooner.
	BusyTimeout time.Duration
}

// A Service is a set of readers: the machine's own (package pcsc), software
// readers (package cardtest) or any other driver. It is safe for concurrent use.
type Service struct {
	driver  driver.Service
	options Options
}

// NewService makes a Service of a driver, which it then owns. It contacts
// nothing before it is first used.
func NewService(d driver.Service, o *Options) *Service {
	s := &Service{driver: d}
	if o != nil {
		s.options = *o
	}
	return s
}

// Close ends every section and wait of the service with ErrClosed and closes
// its driver.
func (s *Service) Close() error { return s.driver.Close() }
