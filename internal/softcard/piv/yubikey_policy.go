package piv

import (
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// A TouchPolicy is when a YubiKey's key requires a touch. The values are
// Yubico's.
type TouchPolicy byte

// Touch policies of keys.
const (
	TouchNever  TouchPolicy = 1
	TouchAlways TouchPolicy = 2
	TouchCached TouchPolicy = 3 // no touch for 15 seconds after the last one
)

// touchCacheTime is how long a touch counts for a key with [TouchCached].
const touchCacheTime = 15 * time.Second

// Tags of the policies in GENERATE ASYMMETRIC KEY PAIR and IMPORT.
const (
	tagPINPolicy   ber.Tag = 0xAA
	tagTouchPolicy ber.Tag = 0xAB
)

// A touchState is the touch policy of one key and the time of its last touch.
type touchState struct {
	policy TouchPolicy
	last   time.Time
}

// touched reports whether the touch policy of a key is met, after a touch if
// it requires one.
func (a *Application) touched(t *touchState) bool {
	if t.policy != TouchAlways && t.policy != TouchCached {
		return true
	}
	now := a.now()
	if t.policy == TouchCached && !t.last.IsZero() && now.Sub(t.last) < touchCacheTime {
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

// readPolicies reads the optional policies at the end of a request. 0 and a
// missing policy mean the slot's default. A standard card refuses policies.
func (a *Application) readPolicies(r *ber.Reader, ref byte) (PINPolicy, TouchPolicy, bool) {
	pin, touch := defaultPolicy(ref), TouchNever
	for _, tag := range []ber.Tag{tagPINPolicy, tagTouchPolicy} {
		if r.Peek() != tag {
			continue
		}
		e, ok := r.Next()
		if !ok || len(e.Value) != 1 || e.Value[0] > 3 || !a.atLeast(firmwarePolicies) {
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
