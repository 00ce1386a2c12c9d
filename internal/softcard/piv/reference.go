package piv

import (
	"bytes"
	"crypto/subtle"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Key references of secrets that people know (SP 800-73-4 part 1, table 4b).
const (
	refGlobalPIN = 0x00
	refPIN       = 0x80
	refPUK       = 0x81
)

// defaultTries is how often a secret may be wrong in a row.
const defaultTries = 3

// What cards come with.
const (
	customaryPIN = "123456"
	customaryPUK = "12345678"
)

// secretLen is the length of every PIN and PUK, padding included.
const secretLen = 8

// A reference is a PIN or PUK with its retry counter.
type reference struct {
	value       [secretLen]byte
	left, limit int
	spent       int
	sent        int
	verified    bool
}

func newReference(secret, fallback string, tries int) reference {
	if secret == "" {
		secret = fallback
	}
	if tries == 0 {
		tries = defaultTries
	}
	return reference{value: padded(secret), left: tries, limit: tries}
}

// padded fills a secret up with FF (SP 800-73-4 part 2, 2.4.3).
func padded(secret string) (value [secretLen]byte) {
	for i := range value {
		value[i] = 0xFF
	}
	copy(value[:], secret)
	return value
}

// try compares a value with the secret and counts. It must not be called when
// no try is left.
func (r *reference) try(value []byte) bool {
	r.sent++
	if !r.is(value) {
		r.verified = false
		r.left--
		r.spent++
		return false
	}
	r.left = r.limit
	return true
}

// is compares a value with the secret without counting.
func (r *reference) is(value []byte) bool {
	return subtle.ConstantTimeCompare(r.value[:], value) == 1
}

// set replaces the secret and resets its counter.
func (r *reference) set(value []byte) {
	copy(r.value[:], value)
	r.left = r.limit
}

// renew gives a reference a secret and a limit as if it were new; what was
// spent on it stays counted.
func (r *reference) renew(secret string, limit int) {
	r.value, r.left, r.limit, r.verified = padded(secret), limit, limit, false
}

// refusal is the status word after a wrong try.
func (a *Application) refusal(r *reference) iso.Status {
	if r.left == 0 && a.config.Quirks.BlocksAtOnce {
		return iso.Blocked
	}
	return a.retries(r)
}

func (a *Application) retries(r *reference) iso.Status {
	if a.config.Quirks.PlainRetries {
		return 0x6300 | iso.Status(min(r.left, 0xFF))
	}
	return iso.Retries(r.left)
}

// find is the PIN or PUK with that reference, or nil.
func (a *Application) find(ref byte) *reference {
	switch ref {
	case refPIN:
		return &a.pin
	case refPUK:
		return &a.puk
	case refGlobalPIN:
		return a.global
	}
	return nil
}

// wellFormed reports whether the card takes a value for a PIN: six to eight
// digits, then FF (SP 800-73-4 part 2, 2.4.3).
func (a *Application) wellFormed(value []byte) bool {
	if len(value) != secretLen {
		return false
	}
	if a.config.LenientPIN {
		return true
	}
	digits := 0
	for digits < len(value) && '0' <= value[digits] && value[digits] <= '9' {
		digits++
	}
	for _, b := range value[digits:] {
		if b != 0xFF {
			return false
		}
	}
	return digits >= 6
}

// tooShort reports whether a YubiKey finds a new PIN or PUK too short.
func (a *Application) tooShort(value []byte) bool {
	return a.isYubiKey() && len(bytes.TrimRight(value, "\xFF")) < 6
}

// Tries is what happened to a PIN or PUK.
type Tries struct {
	Left     int
	Limit    int  // Left after the right value was given
	Spent    int  // wrong values so far, by whatever command they came
	Sent     int  // values that the card compared, right ones too
	Verified bool // the card takes the holder for present
}

// Tries reports on the application PIN (80), the PUK (81) or the global PIN
// (00); all is zero where the card has no such reference.
func (a *Application) Tries(ref byte) Tries {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.find(ref)
	if r == nil {
		return Tries{}
	}
	return Tries{Left: r.left, Limit: r.limit, Spent: r.spent, Sent: r.sent, Verified: r.verified}
}

// SetTriesLeft sets the retry counter of a reference that the card has.
func (a *Application) SetTriesLeft(ref byte, left int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.find(ref); r != nil {
		r.left = left
	}
}
