package piv

import (
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// A PINPolicy says when a key asks for the PIN. The numbers are Yubico's.
type PINPolicy byte

// PIN policies of keys.
const (
	PINNever  PINPolicy = 1
	PINOnce   PINPolicy = 2 // while the holder is verified
	PINAlways PINPolicy = 3 // right after the holder was verified
)

// A TouchPolicy says when a YubiKey's key asks for a touch. The numbers are
// Yubico's.
type TouchPolicy byte

// Touch policies of keys.
const (
	TouchNever  TouchPolicy = 1
	TouchAlways TouchPolicy = 2
	TouchCached TouchPolicy = 3 // unless there was one in the last 15 seconds
)

// touchLasts is how long a touch serves keys with [TouchCached].
const touchLasts = 15 * time.Second

// Tags of policies in GENERATE and IMPORT.
const (
	tagPINPolicy   ber.Tag = 0xAA
	tagTouchPolicy ber.Tag = 0xAB
)

// A toucher is the touch policy of one key and what came of it last.
type toucher struct {
	policy TouchPolicy
	last   time.Time
}

// touched reports whether the holder touches the card where a key wants it.
func (a *Application) touched(t *toucher) bool {
	if t.policy != TouchAlways && t.policy != TouchCached {
		return true
	}
	now := a.now()
	if t.policy == TouchCached && !t.last.IsZero() && now.Sub(t.last) < touchLasts {
		return true
	}
	if a.config.Touch != nil && !a.config.Touch() {
		return false
	}
	t.last = now
	return true
}

func (a *Application) now() time.Time {
	if a.config.Now == nil {
		return time.Now()
	}
	return a.config.Now()
}

// defaultPolicy is the security condition of a slot (SP 800-73-4 part 1,
// table 4b).
func defaultPolicy(ref byte) PINPolicy {
	switch ref {
	case slotSignature:
		return PINAlways
	case slotCardAuthentication:
		return PINNever
	}
	return PINOnce
}

// readPolicies reads the policies that may stand last in a request, 0 or
// absent for the slot's own. Only a YubiKey takes them.
func (a *Application) readPolicies(r *ber.Reader, ref byte) (PINPolicy, TouchPolicy, bool) {
	pin, touch := defaultPolicy(ref), TouchNever
	for _, tag := range []ber.Tag{tagPINPolicy, tagTouchPolicy} {
		if r.Peek() != tag {
			continue
		}
		e, ok := r.Next()
		if !ok || len(e.Value) != 1 || e.Value[0] > 3 || !a.has(firmwarePolicies) {
			return 0, 0, false
		}
		switch {
		case e.Value[0] == 0:
		case tag == tagPINPolicy:
			pin = PINPolicy(e.Value[0])
		default:
			touch = TouchPolicy(e.Value[0])
		}
	}
	return pin, touch, r.Close() == nil
}
