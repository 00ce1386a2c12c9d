package pcsclite

// MaxAttribute is the longest value of an attribute.
const MaxAttribute = 264

// Attribute gets or sets an attribute of a reader or card.
type Attribute struct {
	Card   uint32
	ID     uint32
	Value  []byte // in a request to get one: as long as there is room
	Result uint32
}

func (m *Attribute) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.ID)
	c.bytes(&m.Value, MaxAttribute)
	c.used(&m.Value)
	c.u32(&m.Result)
}
