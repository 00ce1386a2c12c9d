package drivertest

import (
	"sync/atomic"
)

// A Card counts commands from its last reset on.
type Card struct {
	commands atomic.Int32
}

const (
	insCount  = 0x01 // answers with the number of commands
	insFill   = 0x02 // answers with P1 P2 bytes
	insCut    = 0x03 // answers with one byte
	insLength = 0x04 // answers with the length of the command
)

// ATR offers T=1 alone.
func (*Card) ATR() []byte { return []byte{0x3B, 0x80, 0x01, 0x81} }

func (c *Card) Reset() { c.commands.Store(0) }

func (c *Card) Transmit(command []byte) []byte {
	n := c.commands.Add(1)
	switch command[1] {
	case insCount:
		return []byte{byte(n), 0x90, 0x00}
	case insFill:
		answer := make([]byte, int(command[2])<<8|int(command[3]))
		for i := range answer {
			answer[i] = byte(i)
		}
		return append(answer, 0x90, 0x00)
	case insCut:
		return []byte{0x90}
	case insLength:
		return []byte{byte(len(command) >> 8), byte(len(command)), 0x90, 0x00}
	}
	return []byte{0x6D, 0x00}
}
