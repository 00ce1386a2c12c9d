package piv

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"

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

// A template is a dynamic authentication template. A nil field is not there;
// one that is empty asks for its value.
type template struct {
	witness, challenge, response, exponentiation []byte
}

// parseTemplate reads a template whose elements may stand in any order, each
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

// authenticate proves that the card has a key, or lets the administrator prove
// that he has one (SP 800-73-4 part 2, 3.2.4).
func (a *Application) authenticate(c iso.Command, now moment) iso.Answer {
	if c.P2 == refAdmin {
		return a.authenticateAdmin(c, now.exchange)
	}
	if !isSlot(c.P2) {
		return iso.BadParameters.Answer()
	}
	s := a.slots[c.P2]
	switch {
	case s == nil:
		return a.emptySlot().Answer()
	case Algorithm(c.P1) != s.alg:
		return iso.BadParameters.Answer()
	case !a.usable(c.P2, s, now):
		return iso.SecurityNotSatisfied.Answer()
	}
	t, ok := parseTemplate(c.Data)
	if !ok || t.witness != nil || t.response == nil || len(t.response) > 0 {
		return iso.BadData.Answer()
	}
	result, ok := a.operate(c.P2, s, t)
	if !ok {
		return iso.BadData.Answer()
	}
	return iso.Data(a.appendTLV(nil, tagTemplate, a.appendTLV(nil, tagResponse, result)))
}

// usable reports whether the security condition of a key is fulfilled. Over
// the contactless interface only the card authentication key ever is.
func (a *Application) usable(ref byte, s *slot, now moment) bool {
	if a.config.Contactless && ref != slotCardAuthentication {
		return false
	}
	switch {
	case s.pin == PINNever:
	case !a.holderVerified():
		return false
	case s.pin == PINAlways && !now.fresh:
		return false
	}
	return a.touched(&s.touch)
}

func (a *Application) emptySlot() iso.Status {
	if s := a.config.Quirks.EmptySlot; s != 0 {
		return s
	}
	return iso.ReferenceNotFound
}

// operate does what the template asks the private key for: to sign or decrypt
// a challenge, or to agree on a secret.
func (a *Application) operate(ref byte, s *slot, t template) ([]byte, bool) {
	switch {
	case t.challenge != nil && t.exponentiation == nil:
		return sign(s.key, t.challenge, a.isYubiKey())
	case t.exponentiation != nil && t.challenge == nil && (agrees(ref) || a.isYubiKey()):
		return agree(s.key, t.exponentiation)
	}
	return nil, false
}

// agrees reports whether the key may be used for key agreement (SP 800-73-4
// part 2, 3.2.4: not those for authentication and signatures).
func agrees(ref byte) bool {
	switch ref {
	case slotAuthentication, slotSignature, slotCardAuthentication:
		return false
	}
	return true
}

// sign applies a private key to a challenge: a whole padded block for RSA,
// which is how decryption works too; a hash as long as the curve's order for
// ECDSA, or a shorter one where the card fills it up; the message itself for
// Ed25519.
func sign(key crypto.PrivateKey, challenge []byte, fills bool) ([]byte, bool) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return exponentiate(key, challenge)
	case *ecdsa.PrivateKey:
		missing := (key.Curve.Params().BitSize+7)/8 - len(challenge)
		if missing < 0 || missing > 0 && !fills {
			return nil, false
		}
		challenge = append(make([]byte, missing), challenge...)
		signature, err := ecdsa.SignASN1(rand.Reader, key, challenge)
		return signature, err == nil
	case ed25519.PrivateKey:
		return ed25519.Sign(key, challenge), true
	}
	return nil, false
}

// agree computes the shared secret with a peer's public key: the X coordinate
// of the point (SP 800-73-4 part 2, A.5).
func agree(key crypto.PrivateKey, peer []byte) ([]byte, bool) {
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
