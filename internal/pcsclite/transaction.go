package pcsclite

// Begin starts a transaction. It does not wait: where another connection has
// one the result is SharingViolation, and the program tries again.
type Begin struct{ Card, Result uint32 }

func (m *Begin) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Result)
}

// End ends a transaction.
type End struct{ Card, Disposition, Result uint32 }

func (m *End) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Disposition)
	c.u32(&m.Result)
}
