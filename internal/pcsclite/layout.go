package pcsclite

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Body is the fixed part of a request and of its answer.
type Body interface {
	// layout walks over the fields in the order in which they are sent. It is
	// the one description of a message, for both directions.
	layout(*cursor)
}

// A cursor reads or writes the fields of one message.
type cursor struct {
	b     []byte // to read from, or written so far
	write bool
	fault string // why what was read makes no message
}

func (c *cursor) u32(v *uint32) {
	if c.write {
		c.b = binary.NativeEndian.AppendUint32(c.b, *v)
	} else if b := c.take(4); b != nil {
		*v = binary.NativeEndian.Uint32(b)
	}
}

func (c *cursor) i32(v *int32) {
	u := uint32(*v)
	c.u32(&u)
	*v = int32(u)
}

// text is a string in a field of n bytes, NUL at its end.
func (c *cursor) text(v *string, n int) {
	if c.write {
		c.pad([]byte(*v), n-1)
		c.b = append(c.b, 0)
		return
	}
	b := c.take(n)
	if b == nil {
		return
	}
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		c.fault = fmt.Sprintf("text of %d bytes does not end", n)
		return
	}
	*v = string(b[:end])
}

// bytes is a field of n bytes, of which the first few are used; how many is
// said elsewhere, see used.
func (c *cursor) bytes(v *[]byte, n int) {
	if c.write {
		c.pad(*v, n)
	} else if b := c.take(n); b != nil {
		*v = bytes.Clone(b)
	}
}

// used is the number of bytes that are used of a field before it.
func (c *cursor) used(v *[]byte) {
	n := uint32(len(*v))
	c.u32(&n)
	if c.write || c.fault != "" {
		return
	}
	if int64(n) > int64(len(*v)) {
		c.fault = fmt.Sprintf("%d bytes used of a field of %d", n, len(*v))
		return
	}
	*v = (*v)[:n:n]
}

// pad writes b in n bytes. What does not fit is cut: callers check before.
func (c *cursor) pad(b []byte, n int) {
	b = b[:min(len(b), n)]
	c.b = append(append(c.b, b...), make([]byte, n-len(b))...)
}

// take is the next n bytes, nil where there are not so many.
func (c *cursor) take(n int) []byte {
	if c.fault != "" {
		return nil
	}
	if len(c.b) < n {
		c.fault = "message is too short"
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

// Append appends the bytes of a message.
func Append(b []byte, m Body) []byte {
	c := cursor{b: b, write: true}
	m.layout(&c)
	return c.b
}

// Size is the length of a message. All messages of one type have the same.
func Size(m Body) int { return len(Append(nil, m)) }

// Parse reads a message from exactly its bytes. The error is a
// [driver.CommError] with what is wrong.
func Parse(b []byte, m Body) error {
	c := cursor{b: b}
	m.layout(&c)
	if c.fault == "" && len(c.b) > 0 {
		c.fault = fmt.Sprintf("%d bytes after the end of the message", len(c.b))
	}
	if c.fault != "" {
		return malformed("%s", c.fault)
	}
	return nil
}

// malformed is the error of whoever got bytes that make no sense.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: pcscd protocol: %s", driver.CommError, fmt.Sprintf(format, args...))
}
