package piv

import "github.com/smartlogon/smartlogon/card"

// A policy is what a key needs before it is used.
type policy struct {
	pin   pinRule
	touch bool // it may wait for a touch
}

// A pinRule is when a key needs the PIN.
type pinRule int

const (
	once   pinRule = iota // after power-up, unless it is logged out
	always                // right before each use
	never
)

// pinRule returns the rule of the standard for a slot (SP 800-73-4 part 1, table 5).
func (s Slot) pinRule() pinRule {
	switch s {
	case Signature:
		return always
	case CardAuthentication:
		return never
	}
	return once
}

// readPolicy returns the policy of the key in a slot. A YubiKey is asked for its
// metadata; one that has none (firmware below 5.3, an empty slot) and other cards
// have the policy of the slot.
func (c *Card) readPolicy(tx *card.Tx, s Slot) (policy, error) {
	p := policy{pin: s.pinRule(), touch: c.isYubiKey()}
	if !c.mayHaveMetadata() {
		return p, nil
	}
	m, err := metadata(tx, byte(s))
	switch {
	case isObjectError(err):
		return p, nil
	case err != nil:
		return policy{}, err
	}
	switch m.PIN {
	case PINNever:
		p.pin = never
	case PINOnce, PINMatchOnce:
		p.pin = once
	case PINAlways, PINMatchAlways:
		p.pin = always
	}
	switch m.Touch {
	case TouchNever:
		p.touch = false
	case TouchAlways, TouchCached:
		p.touch = true
	}
	return p, nil
}

// mayHaveMetadata reports whether GET METADATA is worth sending. It only reads, so
// an answer to reset that names a YubiKey is enough.
func (c *Card) mayHaveMetadata() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isYubiKey() && !(c.probed && c.version.Less(firmwareMetadata))
}
