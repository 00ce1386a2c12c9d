package pcsc

import (
	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
)

// System returns the PC/SC service of this machine. Nothing is contacted before
// the first call on it. The options may be nil.
func System(o *card.Options) *card.Service { return card.NewService(system(), o) }

// Socket returns the PC/SC service of a pcscd, or of a server that speaks its
// protocol, that listens on the unix socket path. An empty path means the value
// of PCSCLITE_CSOCK_NAME, or else the socket of the machine's pcscd. Nothing is
// contacted before the first call on it. The options may be nil.
func Socket(path string, o *card.Options) *card.Service {
	return card.NewService(client.New(path), o)
}
