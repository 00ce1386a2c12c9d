package iso_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

func TestParseCommand(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want iso.Command
	}{
		{"case 1", "00A40400", iso.Command{INS: 0xA4, P1: 4}},
		{"case 2, short", "00CB3FFF10", iso.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Ne: 16}},
		{"case 2, short, Le 00", "00CB3FFF00", iso.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Ne: 256}},
		{"case 3, short", "1087119A02AABB", iso.Command{CLA: 0x10, INS: 0x87, P1: 0x11, P2: 0x9A, Data: []byte{0xAA, 0xBB}}},
		{"case 4, short", "0087119A01AA00", iso.Command{INS: 0x87, P1: 0x11, P2: 0x9A, Data: []byte{0xAA}, Ne: 256}},
		{"case 2, extended", "00CB3FFF000100", iso.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Ne: 256, Extended: true}},
		{"case 2, extended, Le 0000", "00CB3FFF000000", iso.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Ne: 65536, Extended: true}},
		{"case 3, extended", "0087119A000001AA", iso.Command{INS: 0x87, P1: 0x11, P2: 0x9A, Data: []byte{0xAA}, Extended: true}},
		{"case 4, extended", "0087119A000001AA0000", iso.Command{INS: 0x87, P1: 0x11, P2: 0x9A, Data: []byte{0xAA}, Ne: 65536, Extended: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := unhex(t, tt.in)
			got, ok := iso.ParseCommand(in)
			assert.True(t, ok)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, in, got.Append(nil))
		})
	}
}

// FuzzCommand checks that a command has one encoding: appending a parsed command
// returns the same bytes.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"", "00A40400", "00CB3FFF00", "00A4040005A000000308", "00CB3FFF000000", "0087119A000001AA0000", "00020000000000AABB"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, ok := iso.ParseCommand(in)
		if !ok {
			return
		}
		if out := c.Append(nil); !bytes.Equal(in, out) {
			t.Fatalf("%x is appended as %x", in, out)
		}
		if c.Ne > 65536 || !c.Extended && (c.Ne > 256 || len(c.Data) > 255) {
			t.Fatalf("%x: Ne %d, %d bytes of data", in, c.Ne, len(c.Data))
		}
	})
}
