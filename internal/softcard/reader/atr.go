package reader

// Protocols is a set of transmission protocols, in PC/SC's bits.
type Protocols uint32

const (
	T0 Protocols = 1
	T1 Protocols = 2

	anyProtocol = T0 | T1
)

// maxATR is the longest answer to reset (ISO/IEC 7816-3, 8.2.1: TS and 32 more).
const maxATR = 33

// offered reads the protocols that a card offers from the TD bytes of its
// answer to reset (ISO/IEC 7816-3, 8.2.3). Without one it speaks T=0.
func offered(atr []byte) Protocols {
	if len(atr) < 2 {
		return 0
	}
	var found Protocols
	present, at := atr[1]>>4, 2
	for first := true; ; first = false {
		// Skip TA, TB and TC of this group.
		for bit := range 3 {
			at += int(present >> bit & 1)
		}
		if present&8 == 0 || at >= len(atr) {
			if first {
				found = T0
			}
			return found
		}
		if protocol := atr[at] & 15; protocol <= 1 {
			found |= 1 << protocol
		}
		present = atr[at] >> 4
		at++
	}
}

// choose picks one of two sets of protocols: T=1 where both allow it, as pcscd
// does. It is zero where they have nothing in common.
func choose(offered, wanted Protocols) Protocols {
	if wanted == 0 {
		wanted = anyProtocol
	}
	both := offered & wanted
	if both&T1 != 0 {
		return T1
	}
	return both & T0
}
