package pcsclite

// Share modes.
const (
	ShareExclusive = 1
	ShareShared    = 2
	ShareDirect    = 3 // to the reader, with or without a card
)

// Protocols, one bit each.
const (
	ProtocolT0  = 1
	ProtocolT1  = 2
	ProtocolRaw = 4
	ProtocolAny = 0x1000 // obsolete for T=0 or T=1
)

// Dispositions: what the service does with the card.
const (
	Leave   = 0
	Reset   = 1
	Unpower = 2
	Eject   = 3
)

// Connect is the body of CmdConnect, which connects to the card in a reader.
type Connect struct {
	Context   uint32
	Reader    string // at most MaxReaderName bytes
	Share     uint32
	Protocols uint32
	Card      uint32 // response: the handle
	Protocol  uint32 // response: the active protocol
	Result    uint32
}

func (m *Connect) layout(c *cursor) {
	c.u32(&m.Context)
	c.text(&m.Reader, readerField)
	c.u32(&m.Share)
	c.u32(&m.Protocols)
	c.u32(&m.Card)
	c.u32(&m.Protocol)
	c.u32(&m.Result)
}

// Reconnect is the body of CmdReconnect, which makes a connection usable again
// after a reset by another program.
type Reconnect struct {
	Card        uint32
	Share       uint32
	Protocols   uint32
	Disposition uint32 // applied to the card first
	Protocol    uint32 // response: the active protocol
	Result      uint32
}

func (m *Reconnect) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Share)
	c.u32(&m.Protocols)
	c.u32(&m.Disposition)
	c.u32(&m.Protocol)
	c.u32(&m.Result)
}

// Disconnect is the body of CmdDisconnect, which ends a connection.
type Disconnect struct{ Card, Disposition, Result uint32 }

func (m *Disconnect) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Disposition)
	c.u32(&m.Result)
}

// Status is the body of CmdStatus, whose result tells if the connection is usable.
type Status struct{ Card, Result uint32 }

func (m *Status) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Result)
}
