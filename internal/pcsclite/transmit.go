package pcsclite

// MaxData is the maximum number of bytes to or from a card or reader in one
// exchange (MAX_BUFFER_SIZE_EXTENDED).
const MaxData = 4 + 3 + 1<<16 + 3 + 2

// Transmit is the body of CmdTransmit. The command for the card follows the
// request; the response of the card follows if Result is 0.
type Transmit struct {
	Card           uint32
	SendProtocol   uint32
	SendPCI        uint32 // length of a C structure; ignored by the service
	SendLength     uint32
	ReceivePCIType uint32
	ReceivePCI     uint32
	ReceiveLength  uint32 // request: size of the buffer; response: bytes that follow
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

// Control is the body of CmdControl, which sends a command to the reader. Its
// bytes follow as with Transmit.
type Control struct {
	Card          uint32
	Code          uint32
	SendLength    uint32
	ReceiveLength uint32 // size of the buffer
	Returned      uint32 // response: bytes that follow
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

// ControlCode returns control code n in the numbering of pcsc-lite (SCARD_CTL_CODE).
func ControlCode(n uint32) uint32 { return 0x42000000 + n }

// dataLength returns the number of bytes that follow a request.
func dataLength(m Body) int64 {
	switch m := m.(type) {
	case *Transmit:
		return int64(m.SendLength)
	case *Control:
		return int64(m.SendLength)
	}
	return 0
}
