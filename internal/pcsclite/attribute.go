package pcsclite

// MaxAttribute is the maximum length of an attribute value.
const MaxAttribute = 264

// Attribute is the body of CmdGetAttribute and CmdSetAttribute.
type Attribute struct {
	Card   uint32
	ID     uint32
	Value  []byte // in a CmdGetAttribute request, its length is the size of the buffer
	Result uint32
}

func (m *Attribute) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.ID)
	c.bytes(&m.Value, MaxAttribute)
	c.used(&m.Value)
	c.u32(&m.Result)
}
