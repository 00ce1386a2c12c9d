// Package utf16z reads text as Windows writes it into records of a fixed size.
package utf16z

import (
	"encoding/binary"
	"unicode/utf16"
)

// String reads UTF-16, the lower byte first, up to the first zero.
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
