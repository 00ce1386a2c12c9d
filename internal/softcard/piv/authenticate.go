package piv

import (
	"cmp"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Tags of the dynamic authentication template (SP 800-73-4 part 2, table 7).
const (
	tagTemplate       ber.Tag = 0x7C
	tagWitness        ber.Tag = 0x80
	tagChallenge      ber.Tag = 0x81
	tagResponse       ber.Tag = 0x82
	tagExponentiation ber.Tag = 0x85
)

// A template is a dynamic authentication template. A nil field is absent; an
// empty one requests its value.
type template struct {
	witness, challenge, response, exponentiation []byte
}

// parseTemplate parses a template with its elements in any order, each at most
// once.
func parseTemplate(data []byte) (template, bool) {
	r := ber.BER(data)
	outer, ok := r.Take(tagTemplate)
	if !ok || r.Close() != nil {
		return template{}, false
	}
	var t template
	in := outer.Inside()
	for in.More() {
		e, ok := in.Next()
		if !ok {
			return template{}, false
		}
		field := t.field(e.Tag)
		if field == nil || *field != nil {
			return template{}, false
		}
		*field = e.Value
	}
	return t, true
}

func (t *template) field(tag ber.Tag) *[]byte {
	switch tag {
	case tagWitness:
		return &t.witness
	case tagChallenge:
		return &t.challenge
	case tagResponse:
		return &t.response
	case tagExponentiation:
		return &t.exponentiation
	}
	return nil
}

// authenticate processes GENERAL AUTHENTICATE: it uses the private key of a
// slot, or authenticates the administrator (SP 800-73-4 part 2, 3.2.4).
func (a *Application) authenticate(c iso.Command, carried carryOver) iso.Response {
	if c.P2 == refAdmin {
		return a.authenticateAdmin(c, carried.exchange)
	}
	if !isSlot(c.P2) {
		return iso.BadParameters.Response()
	}
	s := a.slots[c.P2]
	switch {
	case s == nil:
		return a.emptySlotStatus().Response()
	case Algorithm(c.P1) != s.alg:
		return iso.BadParameters.Response()
	case !a.usable(c.P2, s, carried.justVerified):
		return iso.SecurityNotSatisfied.Response()
	}
	t, ok := parseTemplate(c.Data)
	if !ok || t.witness != nil || t.response == nil || len(t.response) > 0 {
		return a.badTemplate().Response()
	}
	result, ok := a.useKey(c.P2, s, t)
	if !ok {
		return a.badTemplate().Response()
	}
	return iso.Data(a.appendTLV(nil, tagTemplate, a.appendTLV(nil, tagResponse, result)))
}

// usable reports whether the security condition of a key is met. Over the
// contactless interface only the card authentication key is usable.
// justVerified reports that the preceding command verified a PIN.
func (a *Application) usable(ref byte, s *slot, justVerified bool) bool {
	if a.config.Contactless && ref != slotCardAuthentication {
		return false
	}
	switch {
	case s.pin == PINNever:
	case !a.pinVerified():
		return false
	case s.pin == PINAlways && !justVerified:
		return false
	}
	return a.touched(&s.touch)
}

func (a *Application) badTemplate() iso.Status {
	return cmp.Or(a.config.Quirks.BadTemplate, iso.BadData)
}

func (a *Application) emptySlotStatus() iso.Status {
	if s := a.config.Quirks.EmptySlot; s != 0 {
		return s
	}
	return iso.ReferenceNotFound
}

// useKey computes what the template requests: a signature or decryption of the
// challenge, or a shared secret.
func (a *Application) useKey(ref byte, s *slot, t template) ([]byte, bool) {
	switch {
	case t.challenge != nil && t.exponentiation == nil:
		return a.sign(s.key, t.challenge)
	case t.exponentiation != nil && t.challenge == nil && (allowsKeyAgreement(ref) || a.isYubiKey()):
		return sharedSecret(s.key, t.exponentiation)
	}
	return nil, false
}

// allowsKeyAgreement reports whether a key may be used for key agreement: not
// those for authentication and signatures (SP 800-73-4 part 2, 3.2.4).
func allowsKeyAgreement(ref byte) bool {
	switch ref {
	case slotAuthentication, slotSignature, slotCardAuthentication:
		return false
	}
	return true
}

// sign applies a private key to a challenge: a padded block for RSA, where
// decryption is the same operation; a hash as long as the curve's order for
// ECDSA, or a shorter one on a YubiKey, which pads it; the message for Ed25519.
func (a *Application) sign(key crypto.PrivateKey, challenge []byte) ([]byte, bool) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return iso.Exponentiate(key, challenge)
	case *ecdsa.PrivateKey:
		missing := (key.Curve.Params().BitSize+7)/8 - len(challenge)
		if missing < 0 || missing > 0 && !a.isYubiKey() {
			return nil, false
		}
		challenge = append(make([]byte, missing), challenge...)
		signature, err := ecdsa.SignASN1(rand.Reader, key, challenge)
		return signature, err == nil
	case ed25519.PrivateKey:
		if a.config.Quirks.DigestEd25519 {
			challenge = append(slices.Clone(challenge), make([]byte, 32)...)[:32]
		}
		return ed25519.Sign(key, challenge), true
	}
	return nil, false
}

// sharedSecret returns the X coordinate of the product of a private key and the
// public key of a peer (SP 800-73-4 part 2, A.5).
func sharedSecret(key crypto.PrivateKey, peer []byte) ([]byte, bool) {
	var private *ecdh.PrivateKey
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		var err error
		if private, err = key.ECDH(); err != nil {
			return nil, false
		}
	case *ecdh.PrivateKey:
		private = key
	default:
		return nil, false
	}
	public, err := private.Curve().NewPublicKey(peer)
	if err != nil {
		return nil, false
	}
	secret, err := private.ECDH(public)
	return secret, err == nil
}
