package pcsclite

// Major and the minor versions that are spoken here.
const (
	Major    = 4
	MinMinor = 4 // pcsc-lite 1.8.24 to 2.2.3
	MaxMinor = 6 // 2.5.0
)

// Version opens the conversation. A service that does not speak the version of
// the program answers with its own and the result ServiceStopped.
type Version struct{ Major, Minor, Result uint32 }

func (m *Version) layout(c *cursor) {
	c.u32(&m.Major)
	c.u32(&m.Minor)
	c.u32(&m.Result)
}
