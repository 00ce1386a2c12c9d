package pcsclite

// Begin is the body of CmdBegin, which starts a transaction. The service does not
// wait: while another connection has a transaction the result is SharingViolation,
// and the client tries again.
type Begin struct{ Card, Result uint32 }

func (m *Begin) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Result)
}

// End is the body of CmdEnd, which ends a transaction.
type End struct{ Card, Disposition, Result uint32 }

func (m *End) layout(c *cursor) {
	c.u32(&m.Card)
	c.u32(&m.Disposition)
	c.u32(&m.Result)
}
