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

// offered returns the protocols in the TD bytes of an answer to reset (ISO/IEC
// 7816-3, 8.2.3). Without TD1 it is T=0.
func offered(atr []byte) Protocols {
	if len(atr) < 2 {
		return 0
	}
	var protocols Protocols
	present, at := atr[1]>>4, 2
	for first := true; ; first = false {
		// Skip TA, TB and TC of this group.
		for bit := range 3 {
			at += int(present >> bit & 1)
		}
		if present&8 == 0 || at >= len(atr) {
			if first {
				protocols = T0
			}
			return protocols
		}
		if protocol := atr[at] & 15; protocol <= 1 {
			protocols |= 1 << protocol
		}
		present = atr[at] >> 4
		at++
	}
}

// choose returns a protocol of both sets, T=1 rather than T=0 as pcscd does, and
// zero if they have none in common.
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
