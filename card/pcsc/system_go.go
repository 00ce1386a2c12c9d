//go:build (linux || freebsd || netbsd || openbsd || dragonfly) && (!cgo || pcsclite_go)

package pcsc

import (
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
)

func system() driver.Service { return client.New("") }
