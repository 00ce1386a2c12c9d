package card

import (
	"fmt"
	"math/bits"
)

// An ATR is a card's answer to reset (ISO/IEC 7816-3, 8.2). It does not show which
// applications are on the card.
type ATR []byte

// String returns the ATR in hexadecimal.
func (a ATR) String() string { return fmt.Sprintf("%X", []byte(a)) }

// Historical returns the historical bytes, nil if there are none or the ATR is
// malformed.
func (a ATR) Historical() []byte {
	if len(a) < 2 {
		return nil
	}
	n := int(a[1] & 0x0F)
	next := 2
	// Four bits announce which of the interface bytes TA, TB, TC and TD follow.
	// Those of the next group are in TD.
	for follow := a[1] >> 4; follow != 0; {
		next += bits.OnesCount8(follow)
		if follow&8 == 0 {
			break
		}
		if next > len(a) {
			return nil
		}
		follow = a[next-1] >> 4
	}
	if n == 0 || next+n > len(a) {
		return nil
	}
	return a[next : next+n]
}

// extended reports whether the card supports extended length fields, and whether the
// historical bytes contain that (ISO/IEC 7816-4, 12.1.1.9: compact TLV 7x, third byte,
// bit 7).
func (a ATR) extended() (yes, known bool) {
	h := a.Historical()
	if len(h) == 0 || h[0] != 0x00 && h[0] != 0x80 {
		return false, false
	}
	for h = h[1:]; len(h) > 0; {
		tag, n := h[0]>>4, int(h[0]&0x0F)
		if n > len(h)-1 {
			return false, false
		}
		if tag == 7 && n >= 3 {
			return h[3]&0x40 != 0, true
		}
		h = h[1+n:]
	}
	return false, false
}
