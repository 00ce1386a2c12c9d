//go:build linux && cgo && !pcsclite_go

package pcsc_test

import (
	"testing"

	"github.com/ebfe/scard"
	"github.com/stretchr/testify/require"
)

// exclusive returns a function that connects exclusively, as another program.
func exclusive(t *testing.T) func() (release func()) {
	return func() func() {
		c, err := scard.EstablishContext()
		require.NoError(t, err)
		k, err := c.Connect(readerName, scard.ShareExclusive, scard.ProtocolAny)
		require.NoError(t, err)
		return func() {
			require.NoError(t, k.Disconnect(scard.LeaveCard))
			require.NoError(t, c.Release())
		}
	}
}
