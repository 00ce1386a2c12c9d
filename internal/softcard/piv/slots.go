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
	touch     toucher
	generated bool // on the card; else it came from outside
}

// isSlot reports whether a key reference means an asymmetric key of the
// holder or the card.
func isSlot(ref byte) bool {
	switch ref {
	case slotAuthentication, slotSignature, slotKeyManagement, slotCardAuthentication:
		return true
	}
	return slotFirstRetired <= ref && ref <= slotLastRetired
}

// certificateTag is the object with the certificate of a slot.
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

// Put gives a slot (9A, 9C, 9D, 9E, 82 to 95, on a YubiKey F9) a private key
// and a certificate, replacing what is given: a nil key or certificate leaves
// what is there. The key need not be the certificate's, and the certificate
// need not be one.
func (a *Application) Put(ref byte, key crypto.PrivateKey, certificate []byte) error {
	if !a.holds(ref) {
		return noSlot(ref)
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

// PutCertificate gives a slot a certificate, encoded as asked for.
func (a *Application) PutCertificate(ref byte, certificate []byte, e Encoding) error {
	if !a.holds(ref) {
		return noSlot(ref)
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
	a.slots[ref] = &slot{key: key, alg: alg, pin: defaultPolicy(ref), touch: toucher{policy: TouchNever}}
	return nil
}

// SetPolicy sets when the key in a slot asks for the PIN and for a touch. It
// reports false where the slot is empty.
func (a *Application) SetPolicy(ref byte, pin PINPolicy, touch TouchPolicy) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.slots[ref]
	if s == nil {
		return false
	}
	s.pin, s.touch = pin, toucher{policy: touch}
	return true
}

// holds reports whether the card has a place for a key under a reference.
func (a *Application) holds(ref byte) bool {
	return isSlot(ref) || ref == slotAttestation && a.has(firmwareAttest)
}

func noSlot(ref byte) error { return fmt.Errorf("piv: there is no slot %02X", ref) }
