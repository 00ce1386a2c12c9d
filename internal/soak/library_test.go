//go:build linux && cgo && !pcsclite_go

package soak_test

import (
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
)

// openLibrary opens libpcsclite, which reads the path of the socket once per process.
var openLibrary = func(path string) *card.Service {
	os.Setenv("PCSCLITE_CSOCK_NAME", path)
	return pcsc.System(nil)
}
