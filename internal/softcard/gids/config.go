package gids

import (
	"bytes"
	"crypto"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// A Config says what kind of GIDS card it is. Its zero value is a token with the
// GidsApplet, set up, with the PIN 123456, three tries, no PUK, and the customary
// key of the administrator.
type Config struct {
	PIN string
	PUK string // empty: there is none

	PINTries, PUKTries int // 0 stands for 3

	// AdminKey is the 3DES key of the administrator, 24 bytes; nil stands for the
	// customary one.
	AdminKey []byte

	// CardID is the identifier in \cardid; zero stands for a random one.
	CardID [16]byte

	// Blank is a card that nobody has set up: no PIN, no files, everything allowed.
	Blank bool

	// TPM makes it a virtual smart card: another version in the identifier, PINs of
	// 8 to 127 characters unless MinPIN says otherwise.
	TPM bool

	// MinPIN and MaxPIN bound the length of a PIN; 0 stands for 4 and 16, and for 8
	// and 127 with TPM.
	MinPIN, MaxPIN int

	// MaxObjects bounds the data objects of one file; 0 stands for 200.
	MaxObjects int

	// Generate makes the key for GENERATE ASYMMETRIC KEY PAIR. Nil makes a real
	// one, which for RSA takes a second or more.
	Generate func(Algorithm) (crypto.PrivateKey, error)

	Quirks Quirks
}

// Quirks are ways in which cards differ. The zero value does as GidsApplet does.
type Quirks struct {
	// PlainRetries says 63 0X where others say 63 CX, as FreeRDP's card does.
	PlainRetries bool

	// OldTries tells the tries left with tag 9F17 where others have 97.
	OldTries bool

	// NoStatus has no object that tells the tries left.
	NoStatus bool

	// NoProperties answers SELECT with nothing.
	NoProperties bool

	// SelectKeeps keeps a verified PIN when the application is selected again,
	// which applets on Java cards forget.
	SelectKeeps bool

	// EmptyVerify refuses VERIFY without data with this status word; 0 tells the
	// tries left.
	EmptyVerify iso.Status

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
	customaryPIN   = "123456"
	customaryTries = 3
)

// complete fills in what zero values stand for.
func (c Config) complete() Config {
	orInt := func(v *int, otherwise int) {
		if *v == 0 {
			*v = otherwise
		}
	}
	if c.TPM {
		orInt(&c.MinPIN, 8)
		orInt(&c.MaxPIN, 127)
	}
	orInt(&c.MinPIN, 4)
	orInt(&c.MaxPIN, 16)
	orInt(&c.PINTries, customaryTries)
	orInt(&c.PUKTries, customaryTries)
	orInt(&c.MaxObjects, 200)
	if c.PIN == "" {
		c.PIN = customaryPIN
	}
	if c.AdminKey == nil {
		c.AdminKey = customaryAdminKey
	}
	return c
}
