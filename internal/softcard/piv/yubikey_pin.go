package piv

import (
	"bytes"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// yubikeyQuery is a reference with which VERIFY without data also reports the
// retry counter of the PIN. What a PIN under it does is not recorded.
const yubikeyQuery = 0x82

// tooShort reports whether a YubiKey refuses a new PIN or PUK as too short.
func (a *Application) tooShort(value []byte) bool {
	return a.isYubiKey() && len(bytes.TrimRight(value, "\xFF")) < 6
}

// setRetries processes SET PIN RETRIES, which sets the retry limits and resets
// PIN and PUK to their defaults.
func (a *Application) setRetries(c iso.Command) iso.Status {
	switch {
	case !a.admin.authenticated || !a.pin.Verified:
		return iso.SecurityNotSatisfied
	case c.P1 == 0 || c.P2 == 0:
		return iso.BadParameters
	}
	resetReference(&a.pin, defaultPIN, int(c.P1))
	resetReference(&a.puk, defaultPUK, int(c.P2))
	return iso.OK
}

// resetReference sets a PIN or PUK and its retry limit. The counts of attempts
// stay, as they are the test's.
func resetReference(r *iso.Reference, secret string, limit int) {
	r.Limit, r.Verified = limit, false
	r.Set(padded(secret))
}
