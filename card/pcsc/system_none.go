//go:build !windows && !(darwin && cgo) && !linux && !freebsd && !netbsd && !openbsd && !dragonfly

package pcsc

import (
	"context"
	"fmt"
	"runtime"

	"github.com/smartlogon/smartlogon/card/driver"
)

func system() driver.Service { return none{} }

// none is the service of a build without access to one. Every call fails.
type none struct{}

// missingError reports why the build has no access.
type missingError struct{ reason, hint string }

func (e missingError) Error() string { return fmt.Sprintf("%v: %s", driver.NoService, e.reason) }
func (e missingError) Hint() string  { return e.hint }
func (e missingError) Unwrap() error { return driver.NoService }

func (none) err(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if runtime.GOOS == "darwin" {
		return missingError{"program was built without cgo, which smart cards need on macOS",
			"Build the program with CGO_ENABLED=1, on a Mac or with a C compiler for it."}
	}
	return missingError{"smart cards are not supported on " + runtime.GOOS,
		"Use pcsc.Socket to reach a pcscd, or write a backend as package driver describes."}
}

func (n none) Readers(ctx context.Context) ([]driver.Reader, error) { return nil, n.err(ctx) }

func (n none) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	return nil, n.err(ctx)
}

func (n none) Connect(ctx context.Context, _ string) (driver.Card, error) { return nil, n.err(ctx) }

func (none) Close() error { return nil }
