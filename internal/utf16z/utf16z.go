// Package utf16z decodes the null-terminated UTF-16 strings that Windows writes
// to fixed-size records.
package utf16z

import (
	"encoding/binary"
	"unicode/utf16"
)

// String decodes little-endian UTF-16 up to the first zero.
func String(b []byte) string {
	var units []uint16
	for ; len(b) > 1; b = b[2:] {
		u := binary.LittleEndian.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}
