package winscard

import (
	"errors"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Errno is the error for what a call of winscard.h returned on a system, nil for
// success.
func Errno(goos string, code uint32) error {
	const (
		success = 0

		// The same number is SCARD_E_UNEXPECTED on Windows, and
		// SCARD_E_UNSUPPORTED_FEATURE in pcsc-lite and on macOS.
		ambiguous = 0x8010001F

		// Windows answers with errors of its own where the connection to the
		// service, or the session on another machine, is gone.
		winInvalidHandle = 6
		winBrokenPipe    = 109
	)
	switch {
	case code == success:
		return nil
	case goos == "windows" && code == winInvalidHandle:
		return driver.InvalidHandle
	case goos == "windows" && code == winBrokenPipe:
		return driver.ServiceStopped
	case goos != "windows" && code == ambiguous:
		return driver.UnsupportedFeature
	}
	return driver.Errno(code)
}

// dead reports whether an error says that the context is of no use any more, as
// after a restart of the service.
func dead(err error) bool {
	var no driver.Errno
	if !errors.As(err, &no) {
		return false
	}
	switch no {
	case driver.NoService, driver.ServiceStopped, driver.InvalidHandle, driver.CommError, driver.SystemCancelled:
		return true
	}
	return false
}
