//go:build windows || (darwin && cgo) || (cgo && !pcsclite_go && (linux || freebsd || netbsd || openbsd || dragonfly))

package pcsc

import (
	"bytes"
	"errors"
	"runtime"
	"time"

	"github.com/ebfe/scard"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc/internal/winscard"
)

// library implements winscard.System with the PC/SC library of the system.
type library struct{}

// PlugAndPlay is false on macOS, where waiting for that name fails.
func (library) PlugAndPlay() bool { return runtime.GOOS != "darwin" }

func (library) Watch() (winscard.Watcher, error) { return newWatcher() }

// establish makes a context. libpcsclite returns SecurityViolation both if pcscd
// refuses the user and if pcscd exits at that moment; only the first lasts.
func establish() (*scard.Context, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		c, err := scard.EstablishContext()
		switch err = errno(err); {
		case err == nil:
			return c, nil
		case !errors.Is(err, driver.SecurityViolation) || pause > 64*time.Millisecond:
			return diagnose(err)
		}
		time.Sleep(pause)
	}
}

// listReaders lists the readers on a context.
func listReaders(c *scard.Context) (list []string, err error) {
	defer func() {
		// Without readers, macOS succeeds with length zero, and package
		// scard panics: it takes the address of element 0.
		if v := recover(); v != nil {
			if runtime.GOOS != "darwin" {
				panic(v)
			}
			list, err = nil, nil
		}
	}()
	list, err = c.ListReaders()
	for range 8 {
		if !errors.Is(err, scard.ErrInsufficientBuffer) {
			break
		}
		list, err = c.ListReaders() // a reader was added after its size was determined
	}
	return list, callErrno(err)
}

func (library) Connect(reader string) (winscard.Handle, error) {
	c, err := establish()
	if err != nil {
		return nil, err
	}
	k, err := c.Connect(reader, scard.ShareShared, scard.ProtocolAny)
	if err = errno(err); errors.Is(err, driver.SecurityViolation) {
		// The service may have exited: another call on the context tells.
		if _, listErr := listReaders(c); listErr != nil {
			err = listErr
		}
	}
	if err != nil {
		c.Release()
		return nil, err
	}
	return &handle{c, k}, nil
}

// handle implements winscard.Handle on a context that nothing else uses.
type handle struct {
	context *scard.Context
	card    *scard.Card
}

func (h *handle) Protocol() (driver.Protocol, bool) {
	switch h.card.ActiveProtocol() {
	case scard.ProtocolT0:
		return driver.T0, true
	case scard.ProtocolT1:
		return driver.T1, true
	}
	return 0, false
}

// Transmit returns a copy of the response: package scard returns a slice of a
// 64 KiB buffer.
func (h *handle) Transmit(command []byte) ([]byte, error) {
	buffer, err := h.card.Transmit(command)
	if err != nil {
		return nil, callErrno(err)
	}
	response := bytes.Clone(buffer)
	clear(buffer)
	return response, nil
}

// Control translates FeatureRequest, whose value is that of Windows.
func (h *handle) Control(code uint32, in []byte) ([]byte, error) {
	if code == driver.FeatureRequest && runtime.GOOS != "windows" {
		code = 0x42000000 + 3400
	}
	response, err := h.card.Control(code, in)
	if err != nil {
		return nil, callErrno(err)
	}
	return bytes.Clone(response), nil
}

// Busy asks pcscd for an attribute that no reader has: before it looks at the
// attribute, pcscd refuses every handle but that of the transaction, and unlike
// other calls libpcsclite does not repeat this one. Elsewhere such a call waits.
func (h *handle) Busy() bool {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return false
	}
	_, err := h.card.GetAttrib(0)
	return errors.Is(errno(err), driver.SharingViolation)
}

func (h *handle) Begin() error { return callErrno(h.card.BeginTransaction()) }

func (h *handle) End(reset bool) error { return callErrno(h.card.EndTransaction(disposition(reset))) }

func (h *handle) Reconnect() error {
	return callErrno(h.card.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.LeaveCard))
}

func (h *handle) Disconnect(reset bool) error {
	return callErrno(h.card.Disconnect(disposition(reset)))
}

func (h *handle) Release() error {
	h.context.Cancel() // on Windows, Release alone does not end calls under way
	return errno(h.context.Release())
}

func disposition(reset bool) scard.Disposition {
	if reset {
		return scard.ResetCard
	}
	return scard.LeaveCard
}

// callErrno is errno for calls on an established context. There, libpcsclite
// returns SecurityViolation if the service exits.
func callErrno(err error) error {
	if err = errno(err); runtime.GOOS != "windows" && errors.Is(err, driver.SecurityViolation) {
		return driver.ServiceStopped
	}
	return err
}

// errno translates an error of package scard.
func errno(err error) error {
	var code scard.Error
	if errors.As(err, &code) {
		return winscard.Errno(runtime.GOOS, uint32(code))
	}
	return err
}
