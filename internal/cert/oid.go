package cert

import (
	"math/big"
	"strconv"
	"strings"
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
	var text strings.Builder
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
			text.WriteString("2." + n.Sub(n, big.NewInt(80)).String())
		case begin == 0:
			first := min(arc/40, 2) // X.690, 8.19.4
			text.WriteString(strconv.FormatUint(first, 10) + "." + strconv.FormatUint(arc-40*first, 10))
		case long:
			text.WriteString("." + bigArc(b[begin:i+1]).String())
		default:
			text.WriteString("." + strconv.FormatUint(arc, 10))
		}
		arc, begin = 0, i+1
	}
	return text.String()
}

func bigArc(b []byte) *big.Int {
	n := new(big.Int)
	for _, c := range b {
		n.Lsh(n, 7).Or(n, big.NewInt(int64(c&0x7F)))
	}
	return n
}
