package pcsclite

// Share modes.
const (
	ShareExclusive = 1
	ShareShared    = 2
	ShareDirect    = 3 // with the reader, a card or not
)

// Protocols, one bit each.
const (
	ProtocolT0  = 1
	ProtocolT1  = 2
	ProtocolRaw = 4
	ProtocolAny = 0x1000 // the old way to say T=0 or T=1
)

// Dispositions: what becomes of the card.
const (
	Leave   = 0
	Reset   = 1
	Unpower = 2
	Eject   = 3
)

// Connect connects to the card in a reader.
type Connect struct {
	Context   uint32
	Reader    string // 127 bytes at most
	Share     uint32
	Protocols uint32
	Card      uint32 // answer: the handle
	Protocol  uint32 // answer: the one in use
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

// Reconnect makes a connection usable again, after a reset where Disposition
// asks for one.
type Reconnect struct {
	Card        uint32
	Share       uint32
	Protocols   uint32
	Disposition uint32
	Protocol    uint32 // answer: the one in use
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

// Disconnect ends a connection.
type Disconnect struct{ Card, Disposition, Result uint32 }

func (m *Disconnect) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Disposition)
	c.u32(&m.Result)
}

// Status asks whether a connection is usable.
type Status struct{ Card, Result uint32 }

func (m *Status) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Result)
}
