package winscard

import (
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A System is the PC/SC library of a machine. The errors of its methods, and of
// those of what it makes, are a [driver.Errno]: see [Errno].
type System interface {
	// Watch makes a context for questions about readers.
	Watch() (Watcher, error)

	// Connect makes a context and, on it, a connection: shared, T=0 or T=1.
	Connect(reader string) (Handle, error)

	// PlugAndPlay reports whether Status tells of new readers under the name
	// [PlugAndPlay].
	PlugAndPlay() bool
}

// PlugAndPlay is the name of the reader that stands for coming and going ones.
const PlugAndPlay = `\\?PnP?\Notification`

// A Watcher is a context for questions about readers. Only Cancel may be called
// while another call is under way.
type Watcher interface {
	Readers() ([]string, error)                         // SCardListReaders
	Status(states []State, timeout time.Duration) error // SCardGetStatusChange, never with an empty list
	Cancel() error                                      // SCardCancel
	Release() error                                     // SCardReleaseContext
}

// A State is an SCARD_READERSTATE.
type State struct {
	Reader string
	Known  Flags // dwCurrentState
	Now    Flags // dwEventState
	ATR    []byte
}

// Flags are the state of a reader, with a count of events in the upper half.
type Flags uint32

const (
	changed     Flags = 0x0002
	unknown     Flags = 0x0004
	unavailable Flags = 0x0008
	present     Flags = 0x0020
	exclusive   Flags = 0x0080
	inUse       Flags = 0x0100
	mute        Flags = 0x0200
)

func (f Flags) events() uint32 { return uint32(f) >> 16 }

// A Handle is a connection to a card, on a context that nothing else uses.
type Handle interface {
	Protocol() (driver.Protocol, bool)              // false: neither T=0 nor T=1
	Transmit(command []byte) ([]byte, error)        // SCardTransmit, never with an empty command
	Control(code uint32, in []byte) ([]byte, error) // SCardControl; driver.FeatureRequest as on Windows
	Begin() error                                   // SCardBeginTransaction
	End(reset bool) error                           // SCardEndTransaction
	Reconnect() error                               // SCardReconnect, shared, leaves the card as it is
	Disconnect(reset bool) error                    // SCardDisconnect
	Release() error                                 // SCardReleaseContext, after SCardCancel
}
