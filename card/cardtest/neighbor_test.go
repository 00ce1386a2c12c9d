package cardtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

func TestNeighborHasItsOwnPIN(t *testing.T) {
	n := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4}, "9999")
	c := cardtest.PIV(n)
	selectNeighbor := append([]byte{0x00, 0xA4, 0x04, 0x00, 5}, n.AID()...)
	assert.Equal(t, uint16(0x9000), send(t, c, selectNeighbor))
	assert.Equal(t, uint16(0x63C2), send(t, c, rightPIN), "the PIN of the PIV application")
	assert.Equal(t, 2, n.RetriesLeft())
	assert.Equal(t, 1, n.Spent())
	assert.Equal(t, 3, c.RetriesLeft())
	assert.Equal(t, uint16(0x9000), send(t, c, []byte("\x00\x20\x00\x80\x089999\xFF\xFF\xFF\xFF")))
	assert.Equal(t, 3, n.RetriesLeft())
}
