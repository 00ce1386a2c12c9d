package pcsclite

import (
	"errors"
	"fmt"
	"io"
)

// Header begins a request.
type Header struct {
	Size    uint32 // of the body, without the bytes for the card or reader
	Command Command
}

func (m *Header) layout(c *cursor) {
	c.u32(&m.Size)
	c.u32((*uint32)(&m.Command))
}

// A Request is a message from a client.
type Request struct {
	Command Command
	Body    Body   // nil if the command has none
	Data    []byte // for the card or reader; only Transmit and Control
}

// Format prints the command and the length of the data, with every verb: the data
// may contain a PIN.
func (r Request) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "%s with %d bytes of data", r.Command, len(r.Data))
}

// AppendRequest appends the bytes of a request. The caller sets the length of the
// data in the body.
func AppendRequest(b []byte, r Request) []byte {
	h := Header{Command: r.Command}
	if r.Body != nil {
		h.Size = uint32(Size(r.Body))
	}
	b = Append(b, &h)
	if r.Body != nil {
		b = Append(b, r.Body)
	}
	return append(b, r.Data...)
}

// ReadRequest reads a request and nothing beyond it. The error is io.EOF if the
// client closed the connection between two requests, wraps [driver.CommError] if
// the request is malformed, or else is the error of r.
func ReadRequest(r io.Reader) (Request, error) {
	var h Header
	if err := ReadResponse(r, &h); err != nil {
		return Request{}, err
	}
	command, ok := commands[h.Command]
	if !ok {
		return Request{}, malformed("unknown command %#x", uint32(h.Command))
	}
	q := Request{Command: h.Command}
	size := 0
	if command.body != nil {
		q.Body = command.body()
		size = Size(q.Body)
	}
	if int64(h.Size) != int64(size) {
		return Request{}, malformed("%s has a body of %d bytes, want %d", h.Command, h.Size, size)
	}
	if q.Body == nil {
		return q, nil
	}
	if err := ReadResponse(r, q.Body); err != nil {
		return Request{}, noEOF(err)
	}
	n := dataLength(q.Body)
	if n > MaxData {
		return Request{}, malformed("%s of %d bytes, want at most %d", h.Command, n, MaxData)
	}
	var err error
	q.Data, err = ReadData(r, int(n))
	if err != nil {
		return Request{}, noEOF(err)
	}
	return q, nil
}

// ReadResponse reads a message of the type of m.
func ReadResponse(r io.Reader, m Body) error {
	b := make([]byte, Size(m))
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	return Parse(b, m)
}

// ReadData reads n bytes from or for a card or reader, at most MaxData.
func ReadData(r io.Reader, n int) ([]byte, error) {
	switch {
	case n == 0:
		return nil, nil
	case n < 0 || n > MaxData:
		return nil, malformed("%d bytes of data, want at most %d", n, MaxData)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	return b, nil
}

// noEOF turns the end of the stream within a request into io.ErrUnexpectedEOF.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
