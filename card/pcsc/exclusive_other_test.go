//go:build linux && (!cgo || pcsclite_go)

package pcsc_test

import "testing"

// exclusive is missing: the client in Go only shares.
func exclusive(*testing.T) func() (release func()) { return nil }
