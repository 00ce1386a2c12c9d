package iso

// Largest answers that the two forms of Le can ask for.
const (
	maxShort    = 1 << 8
	maxExtended = 1 << 16
)

// A Command is a command APDU (ISO/IEC 7816-4, 5.1). When an application gets
// it, its parts are joined and the chaining bit of CLA is gone.
type Command struct {
	CLA, INS, P1, P2 byte

	Data []byte

	// Ne is how many bytes of answer the sender takes, 0 where it did not say.
	Ne int

	// Extended says that the lengths took three bytes.
	Extended bool
}

// ParseCommand reads a command as T=1 carries it. It reports false where the
// lengths in it do not add up. Data points into b.
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
		c.Ne = leastOne(int(body[0]), maxShort)
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
		c.Ne = leastOne(int(rest[n]), maxShort)
	}
	return c, true
}

// readExtended reads what follows the zero byte that marks extended lengths.
func (c *Command) readExtended(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	n := int(b[0])<<8 | int(b[1])
	rest := b[2:]
	if len(rest) == 0 {
		c.Ne = leastOne(n, maxExtended)
		return true
	}
	if n == 0 || len(rest) != n && len(rest) != n+2 {
		return false
	}
	c.Data = rest[:n:n]
	if len(rest) > n {
		c.Ne = leastOne(int(rest[n])<<8|int(rest[n+1]), maxExtended)
	}
	return true
}

// parseT0 reads a command as T=0 carries it: a header of five bytes whose last
// is Lc or Le, never both. A sixth byte too many is an Le that the reader
// leaves out (ISO/IEC 7816-3, 12.2.4).
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

// leastOne reads a length field in which zero stands for the largest value.
func leastOne(field, largest int) int {
	if field == 0 {
		return largest
	}
	return field
}

// Append adds the command to dst as T=1 carries it. Data and Ne have to fit
// the form that Extended chooses.
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
