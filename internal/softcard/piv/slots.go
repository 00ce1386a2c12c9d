package piv

import (
	"crypto"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Key references of asymmetric keys (SP 800-73-4 part 1, table 4b).
const (
	slotFirstRetired       = 0x82
	slotLastRetired        = 0x95
	slotAuthentication     = 0x9A
	slotSignature          = 0x9C
	slotKeyManagement      = 0x9D
	slotCardAuthentication = 0x9E
)

// A slot holds a private key.
type slot struct {
	key       crypto.PrivateKey
	alg       Algorithm
	pin       PINPolicy
	touch     touchState
	generated bool // on the card, not imported
}

// isSlot reports whether a key reference is that of an asymmetric key in the
// standard.
func isSlot(ref byte) bool {
	switch ref {
	case slotAuthentication, slotSignature, slotKeyManagement, slotCardAuthentication:
		return true
	}
	return slotFirstRetired <= ref && ref <= slotLastRetired
}

// certificateTag returns the tag of the object with the certificate of a slot.
func certificateTag(ref byte) ber.Tag {
	switch ref {
	case slotAuthentication:
		return tagAuthentication
	case slotSignature:
		return tagSignature
	case slotKeyManagement:
		return tagKeyManagement
	case slotCardAuthentication:
		return tagCardAuthentication
	case slotAttestation:
		return tagAttestation
	}
	return tagFirstRetired + ber.Tag(ref-slotFirstRetired)
}

// Put stores a private key and a certificate in a slot (9A, 9C, 9D, 9E, 82 to
// 95, on a YubiKey F9). A nil key or certificate leaves the stored one. The key
// need not match the certificate, and the certificate may be any bytes.
func (a *Application) Put(ref byte, key crypto.PrivateKey, certificate []byte) error {
	if !a.hasSlot(ref) {
		return noSlotError(ref)
	}
	if key != nil {
		if err := a.putKey(ref, key); err != nil {
			return err
		}
	}
	if certificate == nil {
		return nil
	}
	return a.PutCertificate(ref, certificate, Plain)
}

// PutCertificate stores a certificate in a slot with the encoding e.
func (a *Application) PutCertificate(ref byte, certificate []byte, e Encoding) error {
	if !a.hasSlot(ref) {
		return noSlotError(ref)
	}
	value, err := Container(certificate, e)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.store(certificateTag(ref), value)
	return nil
}

func (a *Application) putKey(ref byte, key crypto.PrivateKey) error {
	alg, err := algorithmOf(key)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.slots[ref] = &slot{key: key, alg: alg, pin: defaultPolicy(ref), touch: touchState{policy: TouchNever}}
	return nil
}

// SetPolicy sets the PIN and touch policies of the key in a slot. It reports
// false if the slot is empty.
func (a *Application) SetPolicy(ref byte, pin PINPolicy, touch TouchPolicy) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.slots[ref]
	if s == nil {
		return false
	}
	s.pin, s.touch = pin, touchState{policy: touch}
	return true
}

// hasSlot reports whether the card has a slot for a key reference.
func (a *Application) hasSlot(ref byte) bool {
	return isSlot(ref) || ref == slotAttestation && a.atLeast(firmwareAttest)
}

func noSlotError(ref byte) error { return fmt.Errorf("piv: no slot %02X", ref) }
