package client

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// A hintError is an error with a remedy for card.Hint.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.hint }

// errDropped reports that the service closed the connection before its first
// response.
var errDropped = errors.New("pcscd closed the connection")

// refused returns the error of a service that keeps closing the connection before
// its first response.
func refused(path string) error {
	return &hintError{
		fmt.Errorf("%w: pcscd at %q closes the connection without a response", driver.NoAccess, path),
		"Ask the administrator for the right to use pcscd; the polkit action org.debian.pcsc-lite.access_pcsc grants it.",
	}
}

// notResponding returns the error of a service that accepts the connection and
// does not respond.
func notResponding(path string) error {
	return &hintError{
		fmt.Errorf("%w: pcscd at %q does not respond", driver.Timeout, path),
		"Restart the smart card service (pcscd).",
	}
}

// A versionError reports that the service supports another version of the
// protocol. It is no driver.Errno: the service runs and does not refuse the user.
type versionError struct {
	path         string
	major, minor uint32
}

// supported reports whether this package supports the version of the service.
func (e *versionError) supported() bool {
	return e.major == pcsclite.Major && e.minor >= pcsclite.MinMinor && e.minor <= pcsclite.MaxMinor
}

func (e *versionError) Error() string {
	return fmt.Sprintf("pcscd at %q speaks protocol version %d.%d, want %d.%d to %d.%d", e.path,
		e.major, e.minor, pcsclite.Major, pcsclite.MinMinor, pcsclite.Major, pcsclite.MaxMinor)
}

func (e *versionError) Hint() string {
	if e.major < pcsclite.Major || e.major == pcsclite.Major && e.minor < pcsclite.MinMinor {
		return "Update pcscd: this program needs pcsc-lite 1.8.24 or later."
	}
	return "Update this program: it does not support so new a pcscd."
}

// connectError returns the error for a failed connect. It keeps the cause, and
// only an absent service is NoService.
func connectError(path string, err error) error {
	err = withoutAddresses(err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &hintError{fmt.Errorf("%w: %q: %w", driver.NoAccess, path, err),
			fmt.Sprintf("Ask the administrator for the right to write to %s.", path)}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %q: %w", driver.NoService, path, err)
	}
	err = fmt.Errorf("connect to pcscd at %q: %w", path, err)
	switch {
	case errors.Is(err, syscall.EMFILE):
		return &hintError{err, "Raise the limit of open files (ulimit -n), or close files that the program leaves open."}
	case errors.Is(err, syscall.ENFILE):
		return &hintError{err, "Raise the limit of open files of the system (sysctl fs.file-max), or end programs that hold many."}
	}
	return err
}

// withoutAddresses removes from an error of package net the names of sockets,
// which the caller prints itself.
func withoutAddresses(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
