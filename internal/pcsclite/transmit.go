package pcsclite

// MaxData is the most bytes that go to a card or reader, or come from it, at
// once: an extended length command with room to spare.
const MaxData = 4 + 3 + 1<<16 + 3 + 2

// Transmit sends a command to the card. The command follows the request, the
// answer of the card follows the answer if Result is 0.
type Transmit struct {
	Card           uint32
	SendProtocol   uint32
	SendPCI        uint32 // length of the C structure, of no meaning here
	SendLength     uint32
	ReceivePCIType uint32
	ReceivePCI     uint32
	ReceiveLength  uint32 // request: the room there is; answer: the bytes that follow
	Result         uint32
}

func (m *Transmit) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.SendProtocol)
	c.u32(&m.SendPCI)
	c.u32(&m.SendLength)
	c.u32(&m.ReceivePCIType)
	c.u32(&m.ReceivePCI)
	c.u32(&m.ReceiveLength)
	c.u32(&m.Result)
}

// Control sends a request to the reader. Its bytes follow as with Transmit.
type Control struct {
	Card          uint32
	Code          uint32
	SendLength    uint32
	ReceiveLength uint32 // the room there is
	Returned      uint32 // answer: the bytes that follow
	Result        uint32
}

func (m *Control) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Code)
	c.u32(&m.SendLength)
	c.u32(&m.ReceiveLength)
	c.u32(&m.Returned)
	c.u32(&m.Result)
}

// ControlCode is the control code n as pcsc-lite numbers it (SCARD_CTL_CODE).
func ControlCode(n uint32) uint32 { return 0x42000000 + n }

// announced is the number of bytes that follow a request.
func announced(m Body) int64 {
	switch m := m.(type) {
	case *Transmit:
		return int64(m.SendLength)
	case *Control:
		return int64(m.SendLength)
	}
	return 0
}
