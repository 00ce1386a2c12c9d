package gids

import (
	"bytes"
	"cmp"
	"crypto"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// A Config says what kind of GIDS card it is. Its zero value is a token with the
// GidsApplet, set up, with the PIN 123456, three tries, no PUK, and the customary
// key of the administrator.
type Config struct {
	PIN string // empty: 123456, with TPM 12345678
	PUK string // empty: there is none

	PINTries, PUKTries int // 0 stands for 3

	// AdminKey is the 3DES key of the administrator, 24 bytes; nil stands for the
	// customary one. [New] panics over another length.
	AdminKey []byte

	// CardID is the identifier in \cardid; zero stands for a random one.
	CardID [16]byte

	// Blank is a card that nobody has set up: no PIN, no files, everything allowed.
	Blank bool

	// TPM makes it a virtual smart card of Windows. Known are another version in
	// the identifier, PINs of 8 to 127 characters unless MinPIN says otherwise, and
	// the PIN of a card that nobody chose one for. That it answers commands as
	// GidsApplet does is assumed: no trace of one was at hand.
	TPM bool

	// Lockout is what a TPM does in place of blocking the PIN for good. It refuses
	// every try once they are used up, gives one back each time so much time has
	// passed since the last wrong one, and does not care whether the PIN was
	// unblocked. That a host hears of it as of a blocked PIN is known; that it is
	// by the same status word is assumed. 0 blocks for good.
	Lockout time.Duration

	// Now is the clock for Lockout; nil is the system's.
	Now func() time.Time

	// MinPIN and MaxPIN bound the length of a PIN; 0 stands for 4 and 16, and for 8
	// and 127 with TPM.
	MinPIN, MaxPIN int

	// MaxObjects bounds the data objects of one file that commands make; 0 stands
	// for 30, as with GidsApplet, and for 100 with TPM, which is known to hold 90
	// certificates.
	MaxObjects int

	// Generate makes the key for GENERATE ASYMMETRIC KEY PAIR. Nil makes a real
	// one, which for RSA takes a second or more.
	Generate func(Algorithm) (crypto.PrivateKey, error)

	Quirks Quirks
}

// Quirks are ways in which cards differ. The zero value does as GidsApplet does, but
// where a field says otherwise.
type Quirks struct {
	// PlainRetries says 63 0X where others say 63 CX, as FreeRDP's card does.
	PlainRetries bool

	// OldTries tells the tries left with tag 9F17 where others have 97.
	OldTries bool

	// NoStatus has no object that tells the tries left.
	NoStatus bool

	// NoProperties answers SELECT with nothing.
	NoProperties bool

	// ManagementTag answers SELECT with tag 64 where others have 61, as
	// Microsoft's documentation prints it.
	ManagementTag bool

	// EitherDecipher takes P1 and P2 of PERFORM SECURITY OPERATION the wrong way
	// round too, as FreeRDP's card does.
	EitherDecipher bool

	// SelectKeeps keeps a verified PIN when the application is selected again,
	// which applets on Java cards forget.
	SelectKeeps bool

	// EmptyVerify refuses VERIFY without data with this status word; 0 tells the
	// tries left.
	EmptyVerify iso.Status

	// NewPIN refuses a new PIN of a length that the card does not take with this
	// status word; 0 stands for 6A80. GidsApplet says 6700.
	NewPIN iso.Status

	// NoLogout refuses VERIFY with P2 = 82.
	NoLogout bool

	// DecimalNames numbers the files of certificates with decimal digits.
	DecimalNames bool

	// PlainCertificates stores them without compression.
	PlainCertificates bool

	// NoKeyMap writes no key map.
	NoKeyMap bool

	// RawOnly has keys that leave all padding to the host.
	RawOnly bool

	// PaddedOnly has keys that do all padding themselves.
	PaddedOnly bool
}

// customaryAdminKey is what tools set where nobody says otherwise.
var customaryAdminKey = bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3)

const (
	adminKeySize   = 24
	customaryPIN   = "123456"
	virtualPIN     = "12345678"
	customaryTries = 3
)

// complete fills in what zero values stand for.
func (c Config) complete() Config {
	if c.TPM {
		c.MinPIN = cmp.Or(c.MinPIN, 8)
		c.MaxPIN = cmp.Or(c.MaxPIN, 127)
		c.MaxObjects = cmp.Or(c.MaxObjects, 100)
		c.PIN = cmp.Or(c.PIN, virtualPIN)
	}
	c.MinPIN = cmp.Or(c.MinPIN, 4)
	c.MaxPIN = cmp.Or(c.MaxPIN, 16)
	c.MaxObjects = cmp.Or(c.MaxObjects, 30)
	c.PIN = cmp.Or(c.PIN, customaryPIN)
	c.PINTries = cmp.Or(c.PINTries, customaryTries)
	c.PUKTries = cmp.Or(c.PUKTries, customaryTries)
	if c.AdminKey == nil {
		c.AdminKey = customaryAdminKey
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
