package piv

import (
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Key references of PINs and the PUK (SP 800-73-4 part 1, table 4b).
const (
	refGlobalPIN = 0x00
	refPIN       = 0x80
	refPUK       = 0x81
)

const defaultTries = 3

// PIN and PUK of a new card.
const (
	defaultPIN = "123456"
	defaultPUK = "12345678"
)

// secretLen is the length of every PIN and PUK, padding included.
const secretLen = 8

// newReference returns a PIN or PUK. An empty secret means fallback, and no
// tries mean defaultTries.
func newReference(secret, fallback string, tries int) iso.Reference {
	if secret == "" {
		secret = fallback
	}
	if tries == 0 {
		tries = defaultTries
	}
	r := iso.Reference{Limit: tries}
	r.Set(padded(secret))
	return r
}

// padded returns a PIN or PUK with its padding of FF (SP 800-73-4 part 2,
// 2.4.3).
func padded(secret string) []byte {
	value := make([]byte, secretLen)
	for i := range value {
		value[i] = 0xFF
	}
	copy(value, secret)
	return value
}

// failedStatus returns the status of a failed comparison.
func (a *Application) failedStatus(r *iso.Reference) iso.Status {
	if r.Left == 0 && a.config.Quirks.BlocksAtOnce {
		return iso.Blocked
	}
	return a.retryStatus(r)
}

// retryStatus returns the status that reports the retry counter.
func (a *Application) retryStatus(r *iso.Reference) iso.Status {
	if a.config.Quirks.PlainRetries {
		return 0x6300 | iso.Status(min(r.Left, 0xFF))
	}
	return iso.Retries(r.Left)
}

// AddGlobalPIN adds a global PIN, which the discovery object must announce.
func (a *Application) AddGlobalPIN(pin string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	global := newReference(pin, "", a.config.GlobalTries)
	a.global = &global
}

// reference returns the PIN or PUK with a key reference, or nil.
func (a *Application) reference(ref byte) *iso.Reference {
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

// wellFormedPIN reports whether the card accepts the format of a PIN: six to
// eight digits, then FF (SP 800-73-4 part 2, 2.4.3).
func (a *Application) wellFormedPIN(value []byte) bool {
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

// Tries are the attempts made at a PIN or PUK.
type Tries struct {
	Left     int  // retry counter
	Limit    int  // retry counter after a successful comparison
	Spent    int  // failed comparisons so far, by any command
	Sent     int  // comparisons so far
	Verified bool // the reference is verified
}

// Tries reports the attempts at the application PIN (80), the PUK (81) or the
// global PIN (00). It is zero if the card has no such reference.
func (a *Application) Tries(ref byte) Tries {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.reference(ref)
	if r == nil {
		return Tries{}
	}
	return Tries{Left: r.Left, Limit: r.Limit, Spent: r.Spent, Sent: r.Sent, Verified: r.Verified}
}

// SetTriesLeft sets the retry counter of a reference, if the card has it.
func (a *Application) SetTriesLeft(ref byte, left int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.reference(ref); r != nil {
		r.Left = left
	}
}
