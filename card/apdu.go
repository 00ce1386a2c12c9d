package card

import "github.com/smartlogon/smartlogon/card/driver"

const (
	chained      = 0x10  // CLA of all parts of a chain but the last (ISO/IEC 7816-4, 5.3.3)
	maxShortData = 255   // bytes of data in a short command
	maxData      = 65535 // bytes of data in an extended command
)

// An encoder writes the bytes of one APDU into memory of its own.
type encoder func(Command) []byte

// short is the encoding of commands with short length fields that the protocol
// of the connection wants.
func (x *exchange) short() encoder {
	if x.tx.link.card.Protocol() == driver.T0 {
		return shortT0
	}
	return shortAPDU
}

// shortAPDU writes the four cases of a command (ISO/IEC 7816-3, 12.1.3). Ne of
// 256 and more is asked for as 256.
func shortAPDU(c Command) []byte {
	b := make([]byte, 0, 6+len(c.Data))
	b = append(b, c.CLA, c.INS, c.P1, c.P2)
	if len(c.Data) > 0 {
		b = append(b, byte(len(c.Data)))
		b = append(b, c.Data...)
	}
	if c.Ne > 0 {
		b = append(b, byte(min(c.Ne, 256)))
	}
	return b
}

// shortT0 writes a command for T=0, where a header has always five bytes, and a
// command with data cannot say how much answer it expects (ISO/IEC 7816-3, 12.2).
func shortT0(c Command) []byte {
	if len(c.Data) > 0 {
		c.Ne = 0
	} else if c.Ne == 0 {
		c.Ne = 256 // written as 00
	}
	return shortAPDU(c)
}

// extendedAPDU writes the cases with length fields of two bytes.
func extendedAPDU(c Command) []byte {
	b := make([]byte, 0, 9+len(c.Data))
	b = append(b, c.CLA, c.INS, c.P1, c.P2)
	if len(c.Data) > 0 {
		b = append(b, 0, byte(len(c.Data)>>8), byte(len(c.Data)))
		b = append(b, c.Data...)
	}
	if c.Ne > 0 {
		if len(c.Data) == 0 {
			b = append(b, 0)
		}
		ne := min(c.Ne, MaxResponse)
		b = append(b, byte(ne>>8), byte(ne))
	}
	return b
}
