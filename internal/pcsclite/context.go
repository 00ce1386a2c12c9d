package pcsclite

// ScopeSystem is the scope of every context.
const ScopeSystem = 2

// Establish makes the context of a connection to the service.
type Establish struct {
	Scope   uint32
	Context uint32 // answer
	Result  uint32
}

func (m *Establish) layout(c *cursor) {
	c.u32(&m.Scope)
	c.u32(&m.Context)
	c.u32(&m.Result)
}

// Release ends the context and all that hangs on it.
type Release struct{ Context, Result uint32 }

func (m *Release) layout(c *cursor) {
	c.u32(&m.Context)
	c.u32(&m.Result)
}

// Cancel ends the wait of a context. It comes on a connection of its own.
type Cancel struct{ Context, Result uint32 }

func (m *Cancel) layout(c *cursor) {
	c.u32(&m.Context)
	c.u32(&m.Result)
}
