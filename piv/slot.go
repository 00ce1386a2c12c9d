package piv

import (
	"errors"
	"fmt"
)

// A Slot is the place of a key and its certificate on a card. Its value is the key
// reference (SP 800-73-4 part 1, table 4b).
type Slot byte

const (
	Authentication     Slot = 0x9A // PIV Authentication: signing in
	Signature          Slot = 0x9C // Digital Signature: the PIN before each use
	KeyManagement      Slot = 0x9D // Key Management: decryption
	CardAuthentication Slot = 0x9E // Card Authentication: no PIN
)

const (
	firstRetired Slot = 0x82
	lastRetired  Slot = 0x95
)

// Retired returns the slot of the n-th retired Key Management key, 1 to 20. For
// other numbers the slot is not valid.
func Retired(n int) Slot {
	if n < 1 || n > 20 {
		return 0
	}
	return firstRetired + Slot(n-1)
}

// primary has the slots of every PIV card in the order in which they are read: the
// one for signing in first.
var primary = [...]Slot{Authentication, Signature, KeyManagement, CardAuthentication}

// Valid reports whether s is a slot of SP 800-73-4.
func (s Slot) Valid() bool { return s.Object() != 0 }

func (s Slot) retired() bool { return s >= firstRetired && s <= lastRetired }

// String returns the key reference and the name, as in "9A (PIV Authentication)".
func (s Slot) String() string {
	name := ""
	switch {
	case s == Authentication:
		name = "PIV Authentication"
	case s == Signature:
		name = "Digital Signature"
	case s == KeyManagement:
		name = "Key Management"
	case s == CardAuthentication:
		name = "Card Authentication"
	case s.retired():
		name = fmt.Sprintf("Retired Key Management %d", s-firstRetired+1)
	default:
		return fmt.Sprintf("%02X", byte(s))
	}
	return fmt.Sprintf("%02X (%s)", byte(s), name)
}

// Object returns the tag of the object with the slot's certificate, 0 if s is not
// valid (SP 800-73-4 part 1, table 3).
func (s Slot) Object() Object {
	switch {
	case s == Authentication:
		return 0x5FC105
	case s == Signature:
		return 0x5FC10A
	case s == KeyManagement:
		return 0x5FC10B
	case s == CardAuthentication:
		return 0x5FC101
	case s.retired():
		return 0x5FC10D + Object(s-firstRetired)
	}
	return 0
}

var errNoSlot = errors.New("no such slot")
