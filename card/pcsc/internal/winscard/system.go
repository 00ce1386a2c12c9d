package winscard

import (
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A System is the PC/SC library of a machine. Its errors, and those of Watcher and
// Handle, are those that [Errno] returns. Watch and Connect may also return why the
// service cannot be used.
type System interface {
	// Watch establishes a context that reads the state of readers.
	Watch() (Watcher, error)

	// Connect establishes a context and connects to a card on it, shared, by
	// T=0 or T=1.
	Connect(reader string) (Handle, error)

	// PlugAndPlay reports whether Status waits for new readers under the name
	// [PlugAndPlay].
	PlugAndPlay() bool
}

// PlugAndPlay is the name of the pseudo-reader whose state changes when a reader
// is added or removed.
const PlugAndPlay = `\\?PnP?\Notification`

// A Watcher is a context that reads the state of readers. Only Cancel may be
// called while another call is under way.
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

// Flags are the state of a reader, with an event count in the upper 16 bits.
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

// A Handle is a connection to a card on a context that nothing else uses.
type Handle interface {
	Protocol() (driver.Protocol, bool)              // false: neither T=0 nor T=1
	Transmit(command []byte) ([]byte, error)        // SCardTransmit, never with an empty command
	Control(code uint32, in []byte) ([]byte, error) // SCardControl; driver.FeatureRequest as on Windows
	Busy() bool                                     // another program holds the card; false if the system does not tell
	Begin() error                                   // SCardBeginTransaction
	End(reset bool) error                           // SCardEndTransaction
	Reconnect() error                               // SCardReconnect, shared, SCARD_LEAVE_CARD
	Disconnect(reset bool) error                    // SCardDisconnect
	Release() error                                 // SCardCancel, then SCardReleaseContext
}
