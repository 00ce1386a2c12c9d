package piv

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// An Encoding is the encoding of a certificate in its object.
type Encoding byte

// Encodings of certificates on real cards.
const (
	Plain   Encoding = iota // DER; CertInfo 00
	Gzip                    // gzip; CertInfo 01 (SP 800-73-4 part 1, 3.3)
	OldGzip                 // gzip; CertInfo 80, as on early cards
	NetID                   // 01 00, the length, zlib; CertInfo 01: Net iD's, and Windows' on GIDS cards
)

// Container returns the value of a certificate object: the certificate,
// CertInfo and an empty error detection code (SP 800-73-4 part 1, table 10).
func Container(certificate []byte, e Encoding) ([]byte, error) {
	info := byte(0x00)
	switch e {
	case Plain:
	case Gzip, OldGzip:
		info = 0x01
		if e == OldGzip {
			info = 0x80
		}
		var b bytes.Buffer
		if err := compress(gzip.NewWriter(&b), certificate); err != nil {
			return nil, err
		}
		certificate = b.Bytes()
	case NetID:
		info = 0x01
		n := len(certificate)
		if n > 0xFFFF {
			return nil, fmt.Errorf("piv: encode certificate: %d bytes exceed the length field of Net iD's header", n)
		}
		b := bytes.NewBuffer([]byte{0x01, 0x00, byte(n), byte(n >> 8)})
		if err := compress(zlib.NewWriter(b), certificate); err != nil {
			return nil, err
		}
		certificate = b.Bytes()
	default:
		return nil, fmt.Errorf("piv: encode certificate: unsupported encoding %d", e)
	}
	b := ber.Append(nil, 0x70, certificate)
	b = ber.Append(b, 0x71, []byte{info})
	return ber.Append(b, tagEDC, nil), nil
}

func compress(w io.WriteCloser, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Close()
}
