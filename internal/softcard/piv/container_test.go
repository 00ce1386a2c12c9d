package piv_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

func TestContainer(t *testing.T) {
	certificate := bytes.Repeat([]byte{0x30, 0x82, 0x01, 0x00}, 200)
	gunzip := func(b []byte) ([]byte, error) {
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	netID := func(b []byte) ([]byte, error) {
		assert.Equal(t, []byte{0x01, 0x00}, b[:2])
		assert.Equal(t, len(certificate), int(binary.LittleEndian.Uint16(b[2:])))
		r, err := zlib.NewReader(bytes.NewReader(b[4:]))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	tests := []struct {
		name     string
		encoding piv.Encoding
		info     byte
		decode   func([]byte) ([]byte, error)
	}{
		{"plain", piv.Plain, 0x00, func(b []byte) ([]byte, error) { return b, nil }},
		{"gzip", piv.Gzip, 0x01, gunzip},
		{"gzip, CertInfo 80", piv.OldGzip, 0x80, gunzip},
		{"Net iD", piv.NetID, 0x01, netID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, piv.Config{})
			require.NoError(t, c.app.PutCertificate(0x9A, certificate, tt.encoding))
			r := ber.DER(c.app.Object(0x5FC105))
			cert, ok := r.Take(0x70)
			require.True(t, ok)
			info, ok := r.Take(0x71)
			require.True(t, ok)
			edc, ok := r.Take(0xFE)
			require.True(t, ok)
			require.NoError(t, r.Close())
			assert.Equal(t, []byte{tt.info}, info.Value)
			assert.Empty(t, edc.Value)
			got, err := tt.decode(cert.Value)
			require.NoError(t, err)
			assert.Equal(t, certificate, got)
		})
	}
	_, err := piv.Container(nil, 9)
	assert.EqualError(t, err, "piv: encode certificate: unsupported encoding 9")
	_, err = piv.Container(make([]byte, 1<<16), piv.NetID)
	assert.EqualError(t, err, "piv: encode certificate: 65536 bytes exceed the length field of Net iD's header")
	assert.Error(t, piv.New(piv.Config{}).PutCertificate(0x9A, nil, 9))
}
