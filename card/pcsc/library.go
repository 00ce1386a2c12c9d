//go:build windows || (darwin && cgo) || (cgo && !pcsclite_go && (linux || freebsd || netbsd || openbsd || dragonfly))

package pcsc

import (
	"bytes"
	"errors"
	"runtime"

	"github.com/ebfe/scard"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc/internal/winscard"
)

// library is the PC/SC library of the system.
type library struct{}

// PlugAndPlay: macOS does not know the name, and fails.
func (library) PlugAndPlay() bool { return runtime.GOOS != "darwin" }

func (library) Watch() (winscard.Watcher, error) { return newWatcher() }

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
	return list, errno(err)
}

func (library) Connect(reader string) (winscard.Handle, error) {
	c, err := scard.EstablishContext()
	if err != nil {
		return nil, errno(err)
	}
	k, err := c.Connect(reader, scard.ShareShared, scard.ProtocolAny)
	if err != nil {
		c.Release()
		return nil, errno(err)
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
		return nil, errno(err)
	}
	short := bytes.Clone(answer)
	clear(answer)
	return short, nil
}

func (h *handle) Begin() error { return errno(h.card.BeginTransaction()) }

func (h *handle) End(reset bool) error { return errno(h.card.EndTransaction(disposition(reset))) }

func (h *handle) Reconnect() error {
	return errno(h.card.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.LeaveCard))
}

func (h *handle) Disconnect(reset bool) error { return errno(h.card.Disconnect(disposition(reset))) }

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

func errno(err error) error {
	var code scard.Error
	if errors.As(err, &code) {
		return winscard.Errno(runtime.GOOS, uint32(code))
	}
	return err
}
