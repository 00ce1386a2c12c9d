package piv

import (
	"crypto"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// A Config describes a PIV card. The zero value is a contact card with the
// application PIN 123456, the PUK 12345678, three tries each, and the default
// 3DES key of the administrator.
type Config struct {
	PIN string // 6 to 8 digits; padded with FF
	PUK string // up to 8 bytes; padded with FF

	// GlobalPIN is the PIN with the reference 00. If empty, the card has no
	// such reference.
	GlobalPIN string

	// GlobalPrimary makes the discovery object name the global PIN as the
	// preferred one.
	GlobalPrimary bool

	PINTries, PUKTries, GlobalTries int // 0 means 3

	// LenientPIN accepts any eight bytes as a PIN. Otherwise a PIN that is not
	// 6 to 8 digits and padding is refused with 6A80 and no try is spent.
	LenientPIN bool

	// AdminKey is the key with the reference 9B. [New] panics if its length
	// does not fit its algorithm.
	AdminKey AdminKey

	// GUID is the card UUID in the CHUID; zero means a random one, and on a
	// YubiKey neither a CHUID nor a card capability container.
	GUID [16]byte

	// Label is the application label in the response to SELECT, if any.
	Label string

	// Algorithms are listed in the response to SELECT, if any.
	Algorithms []Algorithm

	// Contactless connects the card over its contactless interface.
	Contactless bool

	// MaxObject is the longest object value that PUT DATA writes, in bytes; a
	// longer one is refused with 6A84. 0 means 16384, and 3052 on a YubiKey.
	MaxObject int

	// Generate makes the key for GENERATE ASYMMETRIC KEY PAIR. Nil generates a
	// random one, which takes a second or more for RSA.
	Generate func(Algorithm) (crypto.PrivateKey, error)

	Quirks Quirks

	// Answers are fixed responses. The first whose Command is a prefix of the
	// command applies.
	Answers []Answer

	// Template is the response to SELECT, in place of the application property
	// template. It may be empty; nil is the template.
	Template []byte

	// Discovery is the whole discovery object, outermost tag included, whatever
	// it says. Nil is the one for the PINs.
	Discovery []byte

	// Expiry is the expiration date in the CHUID; empty is 20491231.
	Expiry string

	// CHUIDSignature is the length of the signature in the CHUID. The signature
	// is no real one.
	CHUIDSignature int

	// Extensions are instructions of Yubico that a card of another vendor has.
	// SET PIN RETRIES, RESET, IMPORT and SET MANAGEMENT KEY are supported.
	Extensions []byte

	// Firmware makes the card a YubiKey with that firmware. It supports the
	// instructions of Yubico that the version has, any PIN, any object tag from
	// 5F0000 to 5FFFFF, and every kind of key in every slot.
	Firmware Version

	// Serial and FormFactor are what a YubiKey reports.
	Serial     uint32
	FormFactor byte

	// Touch is called when a key of a YubiKey requires a touch, and reports
	// whether there is one; nil means always. It runs inside a command, so it
	// must not use the card.
	Touch func() bool

	// Now is the clock for touches; nil means the system's.
	Now func() time.Time
}

// An Answer is a fixed response to some commands.
type Answer struct {
	Command []byte // CLA, INS, P1, P2 and the beginning of the data
	Data    []byte
	Status  iso.Status
}

// Quirks are deviations of real cards from the standard, and choices that the
// standard leaves open. The zero value follows the standard.
type Quirks struct {
	// SelectWithPIX puts the identifier without the RID into tag 4F of the
	// response to SELECT, as YubiKey and CanoKey do.
	SelectWithPIX bool

	// SelectClears clears verified PINs at every SELECT of the application, as
	// CanoKey does.
	SelectClears bool

	// EmptyObjects returns 53 00 instead of 6A82 for a missing object.
	EmptyObjects bool

	// NoDiscovery hides the discovery object, even one that was put.
	NoDiscovery bool

	// LongLengths writes the length of every element in four bytes.
	LongLengths bool

	// PlainRetries reports retries as 63 0X instead of 63 CX, as a YubiKey NEO
	// does.
	PlainRetries bool

	// BlocksAtOnce returns 6983 for the attempt that uses up the last retry,
	// instead of 63C0.
	BlocksAtOnce bool

	// BlockedQuery is the status of VERIFY without data when the PIN is
	// blocked; 0 means 6983. CanoKey returns 63C0.
	BlockedQuery iso.Status

	// BlockedVerify is the status of VERIFY with a PIN when it is blocked; 0 means
	// 6983.
	BlockedVerify iso.Status

	// EmptyVerify refuses VERIFY without data with this status word, mostly
	// 6700 or 6A80; 0 allows it.
	EmptyVerify iso.Status

	// EmptyVerifyHides returns the retry counter for VERIFY without data even
	// when the PIN is verified, as a YubiKey NEO does.
	EmptyVerifyHides bool

	// EmptyVerifyClears clears the verified PIN at VERIFY without data, as a
	// YubiKey with firmware 5.3.1 does.
	EmptyVerifyClears bool

	// EmptyVerifyCosts treats VERIFY without data as a wrong PIN.
	EmptyVerifyCosts bool

	// BadFormatCosts treats a badly formatted PIN as a wrong one; the standard
	// leaves the choice.
	BadFormatCosts bool

	// NoLogout refuses VERIFY with P1 = FF, as cards older than SP 800-73-4 do.
	NoLogout bool

	// Absent is the status of GET DATA for a missing object; 0 means 6A82. With
	// 9000 there is no data.
	Absent iso.Status

	// AbsentDiscovery is that status for the discovery object; 0 means Absent.
	AbsentDiscovery iso.Status

	// AbsentFirst checks the existence of an object before its access rule.
	AbsentFirst bool

	// FailedChange is the status of CHANGE REFERENCE DATA with a wrong old
	// value; 0 means that of VERIFY.
	FailedChange iso.Status

	// BadTemplate is the status of GENERAL AUTHENTICATE for a malformed template
	// or a block of a wrong length; 0 means 6A80.
	BadTemplate iso.Status

	// WrongAlgorithm is the status of an authentication of the administrator
	// with another algorithm; 0 means 6A86, and 6A80 on a YubiKey.
	WrongAlgorithm iso.Status

	// WrongAdminKey is the status of an authentication of the administrator
	// with a wrong key; 0 means 6982.
	WrongAdminKey iso.Status

	// EmptyResponseEncrypts takes a template with a challenge and an empty
	// response for INTERNAL AUTHENTICATE: the card encrypts the challenge, and
	// the administrator is not authenticated.
	EmptyResponseEncrypts bool

	// SilentMutual ends a mutual authentication without data.
	SilentMutual bool

	// PartialWrite stores the parts of a chained PUT DATA as they arrive, so one
	// that is refused as too long leaves part of the object.
	PartialWrite bool

	// DigestEd25519 signs the first 32 bytes of the message with an Ed25519 key,
	// padded with zeros.
	DigestEd25519 bool

	// EmptySlot is the status of GENERAL AUTHENTICATE for a missing key; 0
	// means 6A88, and 6A80 on a YubiKey. CanoKey returns 6985.
	EmptySlot iso.Status
}
