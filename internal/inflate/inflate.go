// Package inflate decompresses certificates read from cards.
package inflate

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// MaxSize limits a decompressed certificate: a few KiB can inflate to many MiB.
// The largest certificate container of SP 800-73-4 has 1,905 bytes.
const MaxSize = 64 << 10

// Certificate decompresses a certificate in one of the two formats that cards
// use: gzip (SP 800-73-4), or that of Net iD, which is 01 00, the size in two
// bytes, little-endian, and a zlib stream.
func Certificate(b []byte) ([]byte, error) {
	in := bytes.NewReader(b)
	switch {
	case bytes.HasPrefix(b, []byte{0x1F, 0x8B}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		z.Multistream(false)
		return readAll(z, in, -1)
	case bytes.HasPrefix(b, []byte{0x01, 0x00}) && len(b) > 4:
		in.Seek(4, io.SeekStart)
		z, err := zlib.NewReader(in)
		if err != nil {
			return nil, err
		}
		return readAll(z, in, int(b[2])|int(b[3])<<8)
	}
	return nil, errors.New("certificate is marked as compressed but is not")
}

// readAll reads a stream that must end with its input and must have the given
// size, unless that is negative.
func readAll(z io.Reader, in *bytes.Reader, size int) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(z, MaxSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(out) > MaxSize:
		return nil, fmt.Errorf("certificate inflates to more than %d bytes", MaxSize)
	case size >= 0 && len(out) != size:
		return nil, fmt.Errorf("certificate inflates to %d bytes, not to the %d of its header", len(out), size)
	case in.Len() > 0:
		return nil, fmt.Errorf("%d bytes after the compressed certificate", in.Len())
	}
	return out, nil
}
