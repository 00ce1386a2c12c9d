package drivertest

import (
	"sync/atomic"
)

// A Card counts the commands since its last reset.
type Card struct {
	commands atomic.Int32
	hang     chan struct{} // until it is closed, insHang has no response
}

const (
	insCount    = 0x01 // returns the number of commands
	insFill     = 0x02 // returns P1 P2 bytes
	insTruncate = 0x03 // returns one byte
	insLength   = 0x04 // returns the length of the command
	insHang     = 0x05 // does not respond until Card.hang is closed
)

// ATR returns an answer to reset that offers T=1 alone.
func (*Card) ATR() []byte { return []byte{0x3B, 0x80, 0x01, 0x81} }

// Reset resets the count.
func (c *Card) Reset() { c.commands.Store(0) }

// Transmit implements a card of package reader.
func (c *Card) Transmit(command []byte) []byte {
	n := c.commands.Add(1)
	switch command[1] {
	case insCount:
		return []byte{byte(n), 0x90, 0x00}
	case insFill:
		response := make([]byte, int(command[2])<<8|int(command[3]))
		for i := range response {
			response[i] = byte(i)
		}
		return append(response, 0x90, 0x00)
	case insTruncate:
		return []byte{0x90}
	case insHang:
		<-c.hang
		return []byte{0x90, 0x00}
	case insLength:
		return []byte{byte(len(command) >> 8), byte(len(command)), 0x90, 0x00}
	}
	return []byte{0x6D, 0x00}
}
