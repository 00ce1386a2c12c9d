package iso

// Largest response data that the two forms of Le can ask for.
const (
	maxShort    = 1 << 8
	maxExtended = 1 << 16
)

// A Command is a command APDU (ISO/IEC 7816-4, 5.1). For an application, the parts
// of a chain are joined and the chaining bit of CLA is cleared.
type Command struct {
	CLA, INS, P1, P2 byte

	Data []byte

	// Ne is the number of response bytes that the sender accepts, 0 without Le.
	Ne int

	// Extended reports lengths of three bytes.
	Extended bool
}

// ParseCommand parses a command in the form of T=1. It reports false if the lengths
// in it are inconsistent. Data points into b.
func ParseCommand(b []byte) (Command, bool) {
	if len(b) < 4 {
		return Command{}, false
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	body := b[4:]
	switch {
	case len(body) == 0:
		return c, true
	case len(body) == 1:
		c.Ne = nonzero(int(body[0]), maxShort)
		return c, true
	case body[0] == 0:
		c.Extended = true
		return c, c.readExtended(body[1:])
	}
	n := int(body[0])
	rest := body[1:]
	if len(rest) < n || len(rest) > n+1 {
		return Command{}, false
	}
	c.Data = rest[:n:n]
	if len(rest) > n {
		c.Ne = nonzero(int(rest[n]), maxShort)
	}
	return c, true
}

// readExtended parses what follows the zero byte that marks extended lengths.
func (c *Command) readExtended(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	n := int(b[0])<<8 | int(b[1])
	rest := b[2:]
	if len(rest) == 0 {
		c.Ne = nonzero(n, maxExtended)
		return true
	}
	if n == 0 || len(rest) != n && len(rest) != n+2 {
		return false
	}
	c.Data = rest[:n:n]
	if len(rest) > n {
		c.Ne = nonzero(int(rest[n])<<8|int(rest[n+1]), maxExtended)
	}
	return true
}

// parseT0 parses a command in the form of T=0: a header of five bytes whose last
// one is Lc or Le, never both. The reader leaves out an Le after data (ISO/IEC
// 7816-3, 12.2.4).
func parseT0(b []byte) (Command, bool) {
	c, ok := ParseCommand(b)
	if !ok || c.Extended {
		return Command{}, false
	}
	if len(c.Data) > 0 {
		c.Ne = 0
	}
	return c, true
}

// nonzero returns the value of a length field in which zero is the largest value.
func nonzero(field, largest int) int {
	if field == 0 {
		return largest
	}
	return field
}

// Append appends the command to dst in the form of T=1. Data and Ne must fit the
// lengths that Extended selects.
func (c Command) Append(dst []byte) []byte {
	dst = append(dst, c.CLA, c.INS, c.P1, c.P2)
	if !c.Extended {
		if len(c.Data) > 0 {
			dst = append(dst, byte(len(c.Data)))
			dst = append(dst, c.Data...)
		}
		if c.Ne > 0 {
			dst = append(dst, byte(c.Ne))
		}
		return dst
	}
	dst = append(dst, 0)
	if len(c.Data) > 0 {
		dst = append(dst, byte(len(c.Data)>>8), byte(len(c.Data)))
		dst = append(dst, c.Data...)
	}
	if c.Ne > 0 {
		dst = append(dst, byte(c.Ne>>8), byte(c.Ne))
	}
	return dst
}

// P1P2 returns P1 and P2 as one number: a file identifier in some commands.
func (c Command) P1P2() uint16 { return uint16(c.P1)<<8 | uint16(c.P2) }
