package piv

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

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

// readPolicy returns the policy of the key in a slot: that of its metadata, else that
// of the slot. If the metadata has another public key, the error wraps ErrMismatch.
func (c *Card) readPolicy(tx *card.Tx, s Slot, public crypto.PublicKey) (policy, error) {
	p := policy{pin: s.pinRule(), touch: c.isYubiKey()}
	if !c.mayHaveMetadata() {
		return p, nil
	}
	m, err := metadata(tx, byte(s))
	switch {
	case isObjectError(err):
		c.noteMetadata(err)
		return p, nil
	case err != nil:
		return policy{}, err
	case m.PublicKey != nil && !isSameKey(public, m.PublicKey):
		return policy{}, fmt.Errorf("%w: slot has another key (%v)", ErrMismatch, m.Algorithm)
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

// mayHaveMetadata reports whether GET METADATA is worth sending. It only reads, so a
// hint that the application is Yubico's or follows it is enough.
func (c *Card) mayHaveMetadata() bool {
	vendor := c.isVendors()
	c.mu.Lock()
	defer c.mu.Unlock()
	return vendor && !c.noMetadata && (!c.probed || c.version == Version{} || !c.version.Less(firmwareMetadata))
}

// noteMetadata notes that the card does not implement GET METADATA.
func (c *Card) noteMetadata(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noMetadata = errors.Is(err, card.StatusUnknownINS) || errors.Is(err, card.StatusUnknownCLA)
}

// isSameKey reports whether a key that was read from a card is public, which may be of
// another type.
func isSameKey(public, onCard crypto.PublicKey) bool {
	if _, ok := public.(*ecdh.PublicKey); ok {
		if k, ok := onCard.(*ecdsa.PublicKey); ok {
			onCard, _ = k.ECDH() // decodePublicKey has checked the point
		}
	}
	k, ok := public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(onCard)
}
