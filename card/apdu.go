package card

import "github.com/smartlogon/smartlogon/card/driver"

const (
	chained      = 0x10 // CLA of all parts of a chain but the last (ISO/IEC 7816-4, 5.3.3)
	maxShortData = 255  // bytes of data in a short command

	maxShortResponse = 256 // bytes of data in the response to a short command

	// Bytes of data in a part of a chain. Some readers carry no more than 251 bytes
	// of a command.
	maxPart = 245

	maxData = 65535 // bytes of data in an extended command
)

// An encoder returns the bytes of one APDU, in new memory.
type encoder func(Command) []byte

// short returns the encoding with short length fields for the protocol of the
// connection.
func (t *trip) short() encoder {
	if t.tx.link.card.Protocol() == driver.T0 {
		return shortT0
	}
	return shortAPDU
}

// shortAPDU encodes the four cases of a command (ISO/IEC 7816-3, 12.1.3). An Ne of
// more than 256 becomes 256.
func shortAPDU(c Command) []byte {
	b := make([]byte, 0, 6+len(c.Data))
	b = append(b, c.CLA, c.INS, c.P1, c.P2)
	if len(c.Data) > 0 {
		b = append(b, byte(len(c.Data)))
		b = append(b, c.Data...)
	}
	if c.Ne > 0 {
		b = append(b, byte(min(c.Ne, maxShortResponse)))
	}
	return b
}

// shortT0 encodes a command for T=0: the header always has five bytes, and a command
// with data has no Le (ISO/IEC 7816-3, 12.2).
func shortT0(c Command) []byte {
	if len(c.Data) > 0 {
		c.Ne = 0
	} else if c.Ne == 0 {
		c.Ne = maxShortResponse // written as 00
	}
	return shortAPDU(c)
}

// extendedAPDU encodes the cases with length fields of two bytes.
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
