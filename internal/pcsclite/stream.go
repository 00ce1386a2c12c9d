package pcsclite

import (
	"errors"
	"io"
)

// Header begins a request.
type Header struct {
	Size    uint32 // of the body, without the bytes for card or reader
	Command Command
}

func (m *Header) layout(c *cursor) {
	c.u32(&m.Size)
	c.u32((*uint32)(&m.Command))
}

// A Request is what a program sends.
type Request struct {
	Command Command
	Body    Body   // nil where the command has none
	Data    []byte // for the card or reader: Transmit and Control
}

// AppendRequest appends the bytes of a request. The body has to say the length
// of the data itself.
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

// ReadRequest reads a request. It reads nothing beyond it, and allocates no
// more than a request can have. The error is io.EOF where the program has
// closed the connection between two requests, one of reading, or a
// [driver.CommError] where this is no request.
func ReadRequest(r io.Reader) (Request, error) {
	var h Header
	if err := ReadAnswer(r, &h); err != nil {
		return Request{}, err
	}
	known, ok := commands[h.Command]
	if !ok {
		return Request{}, malformed("no command has the number %#x", uint32(h.Command))
	}
	q := Request{Command: h.Command}
	size := 0
	if known.body != nil {
		q.Body = known.body()
		size = Size(q.Body)
	}
	if int64(h.Size) != int64(size) {
		return Request{}, malformed("%s has a body of %d bytes, want %d", h.Command, h.Size, size)
	}
	if q.Body == nil {
		return q, nil
	}
	if err := ReadAnswer(r, q.Body); err != nil {
		return Request{}, inside(err)
	}
	n := announced(q.Body)
	if n > MaxData {
		return Request{}, malformed("%s of %d bytes, want at most %d", h.Command, n, MaxData)
	}
	var err error
	q.Data, err = ReadData(r, int(n))
	if err != nil {
		return Request{}, inside(err)
	}
	return q, nil
}

// ReadAnswer reads one message of the type of m.
func ReadAnswer(r io.Reader, m Body) error {
	b := make([]byte, Size(m))
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	return Parse(b, m)
}

// ReadData reads n bytes of a card or reader, at most MaxData.
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

// inside is the error of an end in the middle of something.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
