package pcsclite

// ScopeSystem is the only scope in use.
const ScopeSystem = 2

// Establish is the body of CmdEstablish, which establishes a context.
type Establish struct {
	Scope   uint32
	Context uint32 // response
	Result  uint32
}

func (m *Establish) layout(c *cursor) {
	c.u32(&m.Scope)
	c.u32(&m.Context)
	c.u32(&m.Result)
}

// Release is the body of CmdRelease, which ends the context and its connections
// to cards.
type Release struct{ Context, Result uint32 }

func (m *Release) layout(c *cursor) {
	c.u32(&m.Context)
	c.u32(&m.Result)
}

// Cancel is the body of CmdCancel, which ends the wait of a context. It is sent on
// a socket connection of its own.
type Cancel struct{ Context, Result uint32 }

func (m *Cancel) layout(c *cursor) {
	c.u32(&m.Context)
	c.u32(&m.Result)
}
