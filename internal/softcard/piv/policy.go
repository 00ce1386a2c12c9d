package piv

// A PINPolicy is the security condition of a key. The values are Yubico's, who
// let the policy of each key be chosen; a standard card has that of the slot.
type PINPolicy byte

// PIN policies of keys.
const (
	PINNever  PINPolicy = 1
	PINOnce   PINPolicy = 2 // PIN verified since the application was selected
	PINAlways PINPolicy = 3 // PIN verified by the preceding command
)

// defaultPolicy returns the security condition of a slot (SP 800-73-4 part 1,
// table 4b).
func defaultPolicy(ref byte) PINPolicy {
	switch ref {
	case slotSignature:
		return PINAlways
	case slotCardAuthentication:
		return PINNever
	}
	return PINOnce
}
