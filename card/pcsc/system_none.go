//go:build !windows && !(darwin && cgo) && !linux && !freebsd && !netbsd && !openbsd && !dragonfly

package pcsc

import (
	"context"
	"fmt"
	"runtime"

	"github.com/smartlogon/smartlogon/card/driver"
)

func system() driver.Service { return none{} }

// none is the service of a program without a way to it.
type none struct{}

// missing says why, and what to do.
type missing struct{ why, remedy string }

func (m missing) Error() string { return fmt.Sprintf("%v: %s", driver.NoService, m.why) }
func (m missing) Hint() string  { return m.remedy }
func (m missing) Unwrap() error { return driver.NoService }

func (none) err(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if runtime.GOOS == "darwin" {
		return missing{"this program was built without cgo, which macOS needs for smart cards",
			"Build the program with CGO_ENABLED=1, on a Mac or with a C compiler for it."}
	}
	return missing{"smart cards are not supported on " + runtime.GOOS,
		"Use pcsc.Socket where a pcscd listens, or a driver of your own."}
}

func (n none) Readers(ctx context.Context) ([]driver.Reader, error) { return nil, n.err(ctx) }

func (n none) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	return nil, n.err(ctx)
}

func (n none) Connect(ctx context.Context, _ string) (driver.Card, error) { return nil, n.err(ctx) }

func (none) Close() error { return nil }
