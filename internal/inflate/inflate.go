// Package inflate decompresses certificates read from cards.
package inflate

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxSize limits a decompressed certificate: a few KiB can inflate to many MiB.
// The largest certificate container of SP 800-73-4 has 1,905 bytes.
const MaxSize = 64 << 10

// Certificate decompresses a certificate in one of the two formats that cards
// use: gzip (SP 800-73-4), or that of Net iD, which is 01 00, the size in two
// bytes, little-endian, and a zlib stream.
func Certificate(b []byte) ([]byte, error) {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	defer d.in.Reset(nil)
	switch {
	case bytes.HasPrefix(b, []byte{0x1F, 0x8B}):
		d.in.Reset(b)
		if err := d.gzip.Reset(&d.in); err != nil {
			return nil, err
		}
		d.gzip.Multistream(false)
		return d.readAll(&d.gzip, -1)
	case bytes.HasPrefix(b, []byte{0x01, 0x00}) && len(b) > 4:
		d.in.Reset(b[4:])
		if err := d.resetZlib(); err != nil {
			return nil, err
		}
		return d.readAll(d.zlib, int(b[2])|int(b[3])<<8)
	}
	return nil, errors.New("certificate is marked as compressed but is not")
}

// decoders are reused: the state of one has 40 KB, and a listing needs one for each
// certificate.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

// A decoder has what the decompression of a certificate needs.
type decoder struct {
	in      bytes.Reader
	gzip    gzip.Reader
	zlib    io.ReadCloser
	limited io.LimitedReader
	out     bytes.Buffer
}

func (d *decoder) resetZlib() (err error) {
	if d.zlib == nil {
		d.zlib, err = zlib.NewReader(&d.in)
		return err
	}
	return d.zlib.(zlib.Resetter).Reset(&d.in, nil)
}

// readAll reads a stream that must end with its input and must have the given
// size, unless that is negative.
func (d *decoder) readAll(z io.Reader, size int) ([]byte, error) {
	d.out.Reset()
	d.limited = io.LimitedReader{R: z, N: MaxSize + 1}
	_, err := d.out.ReadFrom(&d.limited)
	n := d.out.Len()
	switch {
	case err != nil:
		return nil, err
	case n > MaxSize:
		return nil, fmt.Errorf("certificate inflates to more than %d bytes", MaxSize)
	case size >= 0 && n != size:
		return nil, fmt.Errorf("certificate inflates to %d bytes, not to the %d of its header", n, size)
	case d.in.Len() > 0:
		return nil, fmt.Errorf("%d bytes after the compressed certificate", d.in.Len())
	}
	return bytes.Clone(d.out.Bytes()), nil
}
