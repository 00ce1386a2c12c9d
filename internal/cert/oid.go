package cert

import (
	"math/big"
	"strconv"
)

// maxOID is the size limit of an object identifier in bytes.
const maxOID = 128

// ValidOID reports whether the content of an OBJECT IDENTIFIER is valid: no arc
// begins with a padding octet, and the last arc is complete (X.690, 8.19.2).
func ValidOID(b []byte) bool {
	if len(b) == 0 || len(b) > maxOID || b[len(b)-1]&0x80 != 0 {
		return false
	}
	start := true
	for _, c := range b {
		if start && c == 0x80 {
			return false
		}
		start = c&0x80 == 0
	}
	return true
}

// DottedOID returns the content of an OBJECT IDENTIFIER in dotted form. It is empty
// if [ValidOID] is false.
func DottedOID(b []byte) string {
	if !ValidOID(b) {
		return ""
	}
	var buffer [64]byte
	text := buffer[:0]
	var arc uint64
	begin := 0
	for i, c := range b {
		arc = arc<<7 | uint64(c&0x7F)
		if c&0x80 != 0 {
			continue
		}
		switch long := i-begin >= 9; { // the arc may exceed 63 bits
		case begin == 0 && long:
			n := bigArc(b[:i+1])
			text = n.Sub(n, big.NewInt(80)).Append(append(text, "2."...), 10)
		case begin == 0:
			first := min(arc/40, 2) // X.690, 8.19.4
			text = append(strconv.AppendUint(text, first, 10), '.')
			text = strconv.AppendUint(text, arc-40*first, 10)
		case long:
			text = bigArc(b[begin:i+1]).Append(append(text, '.'), 10)
		default:
			text = strconv.AppendUint(append(text, '.'), arc, 10)
		}
		arc, begin = 0, i+1
	}
	return string(text)
}

func bigArc(b []byte) *big.Int {
	n := new(big.Int)
	for _, c := range b {
		n.Lsh(n, 7).Or(n, big.NewInt(int64(c&0x7F)))
	}
	return n
}
