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

// library is the PC/SC library of the system.
type library struct{}

// PlugAndPlay: macOS does not know the name, and fails.
func (library) PlugAndPlay() bool { return runtime.GOOS != "darwin" }

func (library) Watch() (winscard.Watcher, error) { return newWatcher() }

// establish makes a context. To pcsc-lite's library a service that ends while
// it is spoken to looks like one that denies access, so it is asked again: it
// will be gone, or back, or deny access indeed.
func establish() (*scard.Context, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		c, err := scard.EstablishContext()
		if err = errno(err); !errors.Is(err, driver.SecurityViolation) || pause > 64*time.Millisecond {
			return c, err
		}
		time.Sleep(pause)
	}
}

// names lists the readers of a context.
func names(c *scard.Context) (list []string, err error) {
	defer func() {
		// On macOS no reader is a success of length zero, for which scard
		// takes the address of a byte that is not there.
		if fault := recover(); fault != nil {
			if runtime.GOOS != "darwin" {
				panic(fault)
			}
			list, err = nil, nil
		}
	}()
	list, err = c.ListReaders()
	for range 8 {
		if !errors.Is(err, scard.ErrInsufficientBuffer) {
			break
		}
		list, err = c.ListReaders() // a reader came between two questions
	}
	return list, lost(err)
}

func (library) Connect(reader string) (winscard.Handle, error) {
	c, err := establish()
	if err != nil {
		return nil, err
	}
	k, err := c.Connect(reader, scard.ShareShared, scard.ProtocolAny)
	if err = errno(err); errors.Is(err, driver.SecurityViolation) {
		if _, gone := names(c); gone != nil {
			err = gone
		}
	}
	if err != nil {
		c.Release()
		return nil, err
	}
	return &handle{c, k}, nil
}

// handle is a connection on a context of its own.
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

// Transmit returns a copy of the answer: scard's has 64 KiB behind it.
func (h *handle) Transmit(command []byte) ([]byte, error) {
	answer, err := h.card.Transmit(command)
	if err != nil {
		return nil, lost(err)
	}
	short := bytes.Clone(answer)
	clear(answer)
	return short, nil
}

// Control translates the one code that is another outside of Windows.
func (h *handle) Control(code uint32, in []byte) ([]byte, error) {
	if code == driver.FeatureRequest && runtime.GOOS != "windows" {
		code = 0x42000000 + 3400
	}
	answer, err := h.card.Control(code, in)
	if err != nil {
		return nil, lost(err)
	}
	return bytes.Clone(answer), nil
}

func (h *handle) Begin() error { return lost(h.card.BeginTransaction()) }

func (h *handle) End(reset bool) error { return lost(h.card.EndTransaction(disposition(reset))) }

func (h *handle) Reconnect() error {
	return lost(h.card.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.LeaveCard))
}

func (h *handle) Disconnect(reset bool) error { return lost(h.card.Disconnect(disposition(reset))) }

func (h *handle) Release() error {
	h.context.Cancel() // Windows ends with it what a release does not
	return errno(h.context.Release())
}

func disposition(reset bool) scard.Disposition {
	if reset {
		return scard.ResetCard
	}
	return scard.LeaveCard
}

// lost is errno for calls on a context that was granted. To pcsc-lite's library a
// service that goes away looks like one that denies access.
func lost(err error) error {
	if err = errno(err); runtime.GOOS != "windows" && errors.Is(err, driver.SecurityViolation) {
		return driver.ServiceStopped
	}
	return err
}

func errno(err error) error {
	var code scard.Error
	if errors.As(err, &code) {
		return winscard.Errno(runtime.GOOS, uint32(code))
	}
	return err
}
