package pcsclite

// Supported versions: Major.MinMinor to Major.MaxMinor.
const (
	Major    = 4
	MinMinor = 4 // pcsc-lite 1.8.24 to 2.2.3
	MaxMinor = 6 // 2.5.0
)

// Version is the body of CmdVersion, the first request. A service that does not
// support the version of the client responds with its own and the result
// ServiceStopped.
type Version struct{ Major, Minor, Result uint32 }

func (m *Version) layout(c *cursor) {
	c.u32(&m.Major)
	c.u32(&m.Minor)
	c.u32(&m.Result)
}
