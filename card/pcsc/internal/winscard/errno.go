package winscard

import (
	"errors"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Errno returns the error for a result of a function of winscard.h, nil for
// success.
func Errno(goos string, code uint32) error {
	const (
		success = 0

		// SCARD_E_UNEXPECTED on Windows, SCARD_E_UNSUPPORTED_FEATURE in
		// pcsc-lite and on macOS.
		ambiguous = 0x8010001F

		// Windows returns Win32 errors if the connection to the service, or to
		// the machine of a remote session, is lost.
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

// contextLost reports whether an error means that the context is of no more use,
// as after a restart of the service.
func contextLost(err error) bool {
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
