package pcsclite

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Body is the part of fixed size of a request and its response.
type Body interface {
	// layout visits the fields in the order in which they are sent, to read
	// and to write a message.
	layout(*cursor)
}

// A cursor reads or writes the fields of one message.
type cursor struct {
	b     []byte // still to read, or written so far
	write bool
	fault string // why the message is malformed; empty if it is not
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

// text visits a string in a field of n bytes, terminated by NUL.
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
		c.fault = fmt.Sprintf("text of %d bytes is not terminated", n)
		return
	}
	*v = string(b[:end])
}

// bytes visits a field of n bytes. A later field, see used, has the number of
// bytes in use.
func (c *cursor) bytes(v *[]byte, n int) {
	if c.write {
		c.pad(*v, n)
	} else if b := c.take(n); b != nil {
		*v = bytes.Clone(b)
	}
}

// used visits the number of bytes in use of a field that bytes visited.
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

// pad writes b to a field of n bytes. It truncates a longer b; callers check the
// length first.
func (c *cursor) pad(b []byte, n int) {
	b = b[:min(len(b), n)]
	c.b = append(append(c.b, b...), make([]byte, n-len(b))...)
}

// take returns the next n bytes, nil if there are fewer.
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

// Size returns the length of a message, which depends on its type only.
func Size(m Body) int { return len(Append(nil, m)) }

// Parse decodes a message from exactly its bytes. The error wraps
// [driver.CommError].
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

// malformed returns the error for a malformed message.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: pcscd protocol: %s", driver.CommError, fmt.Sprintf(format, args...))
}
