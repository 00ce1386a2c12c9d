package piv

import (
	"crypto"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// A Config says what kind of PIV card it is. Its zero value is a contact card
// with the application PIN 123456, the PUK 12345678, three tries each, and the
// customary 3DES key of the administrator.
type Config struct {
	PIN string // 6 to 8 digits; padded with FF
	PUK string // up to 8 bytes; padded with FF

	// GlobalPIN is the PIN with the reference 00. Without one the card has no
	// such reference.
	GlobalPIN string

	// GlobalPrimary makes the discovery object name the global PIN as the one
	// to ask for.
	GlobalPrimary bool

	PINTries, PUKTries, GlobalTries int // 0 stands for 3

	// LenientPIN takes any eight bytes for a PIN; else a PIN that is not 6 to 8
	// digits and padding is refused with 6A80 and costs nothing.
	LenientPIN bool

	// AdminKey is the key with the reference 9B. [New] panics over one whose
	// length is not that of its algorithm.
	AdminKey AdminKey

	// GUID is the card UUID in the CHUID; zero stands for a random one.
	GUID [16]byte

	// Label is the application label in the answer to SELECT, if any.
	Label string

	// Algorithms are listed in the answer to SELECT, if there are any.
	Algorithms []Algorithm

	// Contactless puts the card on its contactless interface.
	Contactless bool

	// MaxObject bounds the value of an object that PUT DATA writes, in bytes;
	// a longer one is refused with 6A84. 0 stands for 16384, on a YubiKey 3052.
	MaxObject int

	// Generate makes the key for GENERATE ASYMMETRIC KEY PAIR. Nil makes a
	// real one, which for RSA takes a second or more.
	Generate func(Algorithm) (crypto.PrivateKey, error)

	Quirks Quirks

	// Firmware makes the card a YubiKey with that firmware: it knows Yubico's
	// instructions as far as that version does, takes any PIN, any tag from
	// 5F0000 to 5FFFFF, and every key in every slot.
	Firmware Version

	// Serial and FormFactor are told by a YubiKey.
	Serial     uint32
	FormFactor byte

	// Touch is asked when a YubiKey's key wants a touch; nil always touches.
	// It is called while the card answers, so it must not use the card.
	Touch func() bool

	// Now is the clock for touches; nil is the system's.
	Now func() time.Time
}

// Quirks are ways in which real cards leave the standard, or choose among what
// it leaves open. The zero value does what the standard says.
type Quirks struct {
	// SelectWithPIX has tag 4F of the answer to SELECT hold the identifier
	// without the RID, as YubiKey and CanoKey do.
	SelectWithPIX bool

	// SelectClears forgets verified PINs at every SELECT of the application,
	// as CanoKey does.
	SelectClears bool

	// EmptyObjects answers 53 00, not 6A82, for an object that is not there.
	EmptyObjects bool

	// NoDiscovery has no discovery object, whatever was put.
	NoDiscovery bool

	// LongLengths writes the length of every element in four bytes.
	LongLengths bool

	// PlainRetries says 63 0X where others say 63 CX, as a YubiKey NEO does.
	PlainRetries bool

	// BlocksAtOnce answers 6983 already to the try that uses the counter up;
	// else that is 63C0.
	BlocksAtOnce bool

	// BlockedQuery is the answer to VERIFY without data when the PIN is
	// blocked; 0 stands for 6983. CanoKey says 63C0.
	BlockedQuery iso.Status

	// EmptyVerify refuses VERIFY without data with this status word, mostly
	// 6700 or 6A80; 0 refuses nothing.
	EmptyVerify iso.Status

	// EmptyVerifyHides answers VERIFY without data with the counter even when
	// the PIN is verified, as a YubiKey NEO does.
	EmptyVerifyHides bool

	// EmptyVerifyClears forgets the verified PIN at VERIFY without data, as a
	// YubiKey with firmware 5.3.1 does.
	EmptyVerifyClears bool

	// EmptyVerifyCosts takes VERIFY without data for a wrong PIN.
	EmptyVerifyCosts bool

	// BadFormatCosts takes a badly formatted PIN for a wrong one; the standard
	// leaves the choice.
	BadFormatCosts bool

	// NoLogout refuses VERIFY with P1 = FF, as cards older than SP 800-73-4 do.
	NoLogout bool

	// EmptySlot is the answer to GENERAL AUTHENTICATE for a key that is not
	// there; 0 stands for 6A88, and for 6A80 on a YubiKey. CanoKey says 6985.
	EmptySlot iso.Status
}
