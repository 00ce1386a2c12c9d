package pcsc

import (
	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
)

// System is the PC/SC service of this machine. It contacts nothing before it is
// first used. Nil options are good.
func System(o *card.Options) *card.Service { return card.NewService(system(), o) }

// Socket is the pcscd, or what speaks its protocol, that listens on a unix
// socket. It contacts nothing before it is first used. An empty path means the
// usual one: that of PCSCLITE_CSOCK_NAME, else pcscd's own.
func Socket(path string, o *card.Options) *card.Service {
	return card.NewService(client.New(path), o)
}
