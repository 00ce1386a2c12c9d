//go:build linux && cgo && !pcsclite_go

package pcsc_test

import (
	"testing"

	"github.com/ebfe/scard"
	"github.com/stretchr/testify/require"
)

// exclusive is a program that connects exclusively.
func exclusive(t *testing.T) func() (release func()) {
	return func() func() {
		c, err := scard.EstablishContext()
		require.NoError(t, err)
		k, err := c.Connect(first, scard.ShareExclusive, scard.ProtocolAny)
		require.NoError(t, err)
		return func() {
			require.NoError(t, k.Disconnect(scard.LeaveCard))
			require.NoError(t, c.Release())
		}
	}
}
