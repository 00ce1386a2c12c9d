package gids

import (
	"bytes"
	"cmp"
	"crypto"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// A Config describes a GIDS card. The zero value is an initialized token with the
// GidsApplet, the PIN 123456, three tries, no PUK, and the default key of the
// administrator.
type Config struct {
	PIN string // empty means 123456, with TPM 12345678
	PUK string // empty means none

	PINTries, PUKTries int // 0 means 3

	// AdminKey is the 3DES key of the administrator, 24 bytes; nil means the
	// default one. [New] panics on another length.
	AdminKey []byte

	// CardID is the content of \cardid; zero means a random one.
	CardID [16]byte

	// Blank is a card that was not initialized: no PIN, no files, no access
	// conditions.
	Blank bool

	// TPM makes the card a virtual smart card of Windows. It has another version
	// in its identifier, the default PIN of such cards, and PINs of 8 to 127
	// characters unless MinPIN sets another limit. Its responses are assumed to
	// be those of the GidsApplet.
	TPM bool

	// Lockout is the lockout interval of a TPM, which does not block the PIN for
	// good. When no retries are left it refuses every PIN, and it restores one
	// retry each time the interval has passed since the last wrong PIN. Unblocking
	// the PIN restores none. Windows shows this as a blocked PIN; that the status
	// word is the same is assumed. 0 blocks for good.
	Lockout time.Duration

	// Now is the clock for Lockout; nil means the system's.
	Now func() time.Time

	// MinPIN and MaxPIN bound the length of a PIN; 0 means 4 and 16, and 8 and 127
	// with TPM.
	MinPIN, MaxPIN int

	// MaxObjects bounds the data objects of a file that commands create; 0 means
	// 30, as with the GidsApplet, and 100 with TPM, as a virtual smart card holds
	// 90 certificates.
	MaxObjects int

	// Generate makes the key for GENERATE ASYMMETRIC KEY PAIR. Nil generates a
	// random one, which takes a second or more for RSA.
	Generate func(Algorithm) (crypto.PrivateKey, error)

	Quirks Quirks
}

// Quirks are deviations of cards from the GidsApplet, unless a field says
// otherwise. The zero value follows the applet.
type Quirks struct {
	// PlainRetries reports retries as 63 0X instead of 63 CX, as FreeRDP's card
	// does.
	PlainRetries bool

	// OldTries reports the retries left with tag 9F17 instead of 97.
	OldTries bool

	// NoStatus has no object with the retries left.
	NoStatus bool

	// NoProperties returns no data for SELECT.
	NoProperties bool

	// ManagementTag returns tag 64 instead of 61 for SELECT, as Microsoft's
	// documentation prints it.
	ManagementTag bool

	// EitherDecipher also accepts P1 and P2 of PERFORM SECURITY OPERATION in the
	// reverse order, as FreeRDP's card does.
	EitherDecipher bool

	// SelectKeeps keeps a verified PIN when the application is selected again.
	// Applets on Java cards clear it.
	SelectKeeps bool

	// EmptyVerify refuses VERIFY without data with this status word; 0 reports the
	// retries left.
	EmptyVerify iso.Status

	// NewPIN refuses a new PIN of a wrong length with this status word; 0 means
	// 6A80. The GidsApplet returns 6700.
	NewPIN iso.Status

	// NoLogout refuses VERIFY with P2 = 82.
	NoLogout bool

	// DecimalNames numbers the files of certificates with decimal digits.
	DecimalNames bool

	// PlainCertificates stores certificates without compression.
	PlainCertificates bool

	// NoKeyMap writes no key map.
	NoKeyMap bool

	// RawOnly has keys for which the host does all padding.
	RawOnly bool

	// PaddedOnly has keys for which the card does all padding.
	PaddedOnly bool

	// StripsZero omits leading zeros from the result of a raw decryption.
	StripsZero bool
}

// defaultAdminKey is the administrator's key that initialization tools set.
var defaultAdminKey = bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3)

const (
	adminKeySize  = 24
	defaultPIN    = "123456"
	defaultPINTPM = "12345678"
	defaultTries  = 3
)

// withDefaults returns c with the values that zero values mean.
func (c Config) withDefaults() Config {
	if c.TPM {
		c.MinPIN = cmp.Or(c.MinPIN, 8)
		c.MaxPIN = cmp.Or(c.MaxPIN, 127)
		c.MaxObjects = cmp.Or(c.MaxObjects, 100)
		c.PIN = cmp.Or(c.PIN, defaultPINTPM)
	}
	c.MinPIN = cmp.Or(c.MinPIN, 4)
	c.MaxPIN = cmp.Or(c.MaxPIN, 16)
	c.MaxObjects = cmp.Or(c.MaxObjects, 30)
	c.PIN = cmp.Or(c.PIN, defaultPIN)
	c.PINTries = cmp.Or(c.PINTries, defaultTries)
	c.PUKTries = cmp.Or(c.PUKTries, defaultTries)
	if c.AdminKey == nil {
		c.AdminKey = defaultAdminKey
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
