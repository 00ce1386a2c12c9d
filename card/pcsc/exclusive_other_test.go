//go:build linux && (!cgo || pcsclite_go)

package pcsc_test

import "testing"

// exclusive returns nil: the client in Go connects shared only.
func exclusive(*testing.T) func() (release func()) { return nil }
