package piv

import (
	"errors"
	"fmt"
)

// A Slot is a key on the card, and the container of its certificate. Its value
// is the key reference (SP 800-73-4 part 1, table 4b).
type Slot byte

const (
	Authentication     Slot = 0x9A // PIV Authentication: signing in
	Signature          Slot = 0x9C // Digital Signature: the PIN each time
	KeyManagement      Slot = 0x9D // Key Management: decryption
	CardAuthentication Slot = 0x9E // Card Authentication: no PIN
)

const (
	firstRetired Slot = 0x82
	lastRetired  Slot = 0x95
)

// Retired is the slot of the n-th retired Key Management key, 1 to 20. Other
// numbers give a slot that does not exist.
func Retired(n int) Slot {
	if n < 1 || n > 20 {
		return 0
	}
	return firstRetired + Slot(n-1)
}

// primary are the slots that every PIV card may have, in the order in which
// they are read: the one that signs people in comes first.
var primary = [...]Slot{Authentication, Signature, KeyManagement, CardAuthentication}

// Valid reports whether SP 800-73-4 has such a slot.
func (s Slot) Valid() bool { return s.Object() != 0 }

func (s Slot) retired() bool { return s >= firstRetired && s <= lastRetired }

// String is the key reference and the name, as in "9A (PIV Authentication)".
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

// Object is the tag of the container of the slot's certificate, 0 where there
// is none (SP 800-73-4 part 1, table 3).
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

// errNoSlot refuses a slot that is none.
var errNoSlot = errors.New("there is no such slot")

// A pinRule says when a key wants the PIN (SP 800-73-4 part 1, table 5).
type pinRule int

const (
	once   pinRule = iota // since the card got power, unless it was logged out
	always                // right before each use
	never
)

func (s Slot) pinRule() pinRule {
	switch s {
	case Signature:
		return always
	case CardAuthentication:
		return never
	}
	return once
}
