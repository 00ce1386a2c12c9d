package reader_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

// counter is a card that responds to each command with the number of commands
// since its last reset, so that a test sees whether the card lost its state.
type counter struct {
	atr      []byte
	commands byte
	resets   int
	during   func() // called during each exchange
}

func newCounter() *counter { return &counter{atr: []byte{0x3B, 0x80, 0x01, 0x81}} }

func (c *counter) ATR() []byte { return c.atr }

func (c *counter) Reset() {
	c.commands = 0
	c.resets++
}

func (c *counter) Transmit([]byte) []byte {
	if c.during != nil {
		c.during()
	}
	c.commands++
	return []byte{c.commands, 0x90, 0x00}
}

const name = "Reader 00"

var command = []byte{0x00, 0x01, 0x02, 0x03}

// inserted returns a set of one reader with a card in it.
func inserted(t *testing.T) (*reader.Set, *counter) {
	t.Helper()
	set, card := reader.New(name), newCounter()
	require.NoError(t, set.Insert(name, card))
	return set, card
}

func connect(t *testing.T, set *reader.Set, mode reader.Mode) *reader.Conn {
	t.Helper()
	c, err := set.Connect(name, mode)
	require.NoError(t, err)
	t.Cleanup(c.Drop)
	return c
}

// transmit sends a command and returns the number of commands since the last reset
// of the card, this one included.
func transmit(t *testing.T, c *reader.Conn) int {
	t.Helper()
	response, err := c.Transmit(command)
	require.NoError(t, err)
	require.Len(t, response, 3)
	return int(response[0])
}

func state(t *testing.T, set *reader.Set) reader.State {
	t.Helper()
	states, _, err := set.Snapshot()
	require.NoError(t, err)
	require.Len(t, states, 1)
	return states[0]
}
