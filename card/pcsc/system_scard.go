//go:build windows || (darwin && cgo) || (cgo && !pcsclite_go && (linux || freebsd || netbsd || openbsd || dragonfly))

package pcsc

import (
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc/internal/winscard"
)

func system() driver.Service { return winscard.New(library{}) }
