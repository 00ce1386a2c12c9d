package piv

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"slices"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// refAdmin is the reference of the card administrator's key.
const refAdmin = 0x9B

// An AdminKey is the key of the card administrator (9B). The zero value means
// the default 3DES key, 01 to 08 three times.
type AdminKey struct {
	Algorithm Algorithm // TripleDES, AES128, AES192 or AES256
	Key       []byte    // 24, 16, 24 or 32 bytes
}

// defaultKey is the administrator's key of a new card.
const defaultKey = "\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08"

// adminKeyLen maps the algorithms of an administrator's key to its length.
var adminKeyLen = map[Algorithm]int{TripleDES: 24, AES128: 16, AES192: 24, AES256: 32}

// An admin is the administrator's key and its security status.
type admin struct {
	key           AdminKey
	block         cipher.Block // nil if this process may not use the algorithm, in FIPS-only mode
	touch         touchState
	authenticated bool
}

// An exchange is an authentication of the administrator after its first step.
type exchange struct {
	kind  exchangeKind
	value []byte // plaintext of the challenge or the witness
}

type exchangeKind byte

const (
	noExchange exchangeKind = iota
	external                // the host encrypts the card's challenge
	mutual                  // the host decrypts the card's witness and sends a challenge
)

// newAdmin returns the state for a key. It panics if the key does not fit its
// algorithm, which is a mistake in the test that makes the card.
func newAdmin(key AdminKey) admin {
	if key.Algorithm == 0 {
		key = AdminKey{TripleDES, []byte(defaultKey)}
	}
	if err := key.check(); err != nil {
		panic(err.Error())
	}
	block, _ := key.cipher() // fails in FIPS-only mode alone
	return admin{key: key, block: block, touch: touchState{policy: TouchNever}}
}

func (k AdminKey) check() error {
	if n, ok := adminKeyLen[k.Algorithm]; !ok || n != len(k.Key) {
		return fmt.Errorf("piv: administrator key: %d bytes do not fit algorithm %02X", len(k.Key), byte(k.Algorithm))
	}
	return nil
}

func (k AdminKey) cipher() (cipher.Block, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	if k.Algorithm == TripleDES {
		return des.NewTripleDESCipher(k.Key)
	}
	return aes.NewCipher(k.Key)
}

// authenticateAdmin processes one step of an authentication of the
// administrator (SP 800-73-4 part 2, A.1 and A.2). pending is the exchange that
// the preceding command began, so a challenge is valid once. Each step ends an
// earlier authentication.
func (a *Application) authenticateAdmin(c iso.Command, pending exchange) iso.Response {
	alg := Algorithm(c.P1)
	if alg == 0x00 {
		alg = TripleDES
	}
	if a.config.Contactless {
		return iso.SecurityNotSatisfied.Response()
	}
	a.admin.authenticated = false
	if alg != a.admin.key.Algorithm || a.admin.block == nil {
		return a.wrongAlgorithm().Response()
	}
	t, ok := parseTemplate(c.Data)
	if !ok || t.exponentiation != nil {
		return iso.BadData.Response()
	}
	switch {
	case a.config.Quirks.EmptyResponseEncrypts && len(t.challenge) == a.admin.block.BlockSize() && requested(t.response):
		return iso.Data(a.appendTLV(nil, tagTemplate, a.appendTLV(nil, tagResponse, a.encrypt(t.challenge))))
	case requested(t.challenge) && t.witness == nil && len(t.response) == 0:
		return a.beginExchange(external)
	case requested(t.witness) && t.challenge == nil && len(t.response) == 0:
		return a.beginExchange(mutual)
	case len(t.response) > 0 && t.witness == nil && t.challenge == nil:
		return a.checkResponse(t.response, pending).Response()
	case len(t.witness) > 0 && len(t.challenge) > 0 && len(t.response) == 0:
		return a.checkWitness(t.witness, t.challenge, pending)
	}
	return iso.BadData.Response()
}

// requested reports whether a field is present and empty.
func requested(field []byte) bool { return field != nil && len(field) == 0 }

// wrongAlgorithm returns the status for a P1 that is not the key's algorithm.
func (a *Application) wrongAlgorithm() iso.Status {
	if a.isYubiKey() {
		return cmp.Or(a.config.Quirks.WrongAlgorithm, iso.BadData)
	}
	return cmp.Or(a.config.Quirks.WrongAlgorithm, iso.BadParameters)
}

// wrongKey returns the status for a witness or response that shows another key.
func (a *Application) wrongKey() iso.Status {
	return cmp.Or(a.config.Quirks.WrongAdminKey, iso.SecurityNotSatisfied)
}

// beginExchange returns a random value: in plain for the host to encrypt, or
// encrypted for the host to decrypt.
func (a *Application) beginExchange(kind exchangeKind) iso.Response {
	value := make([]byte, a.admin.block.BlockSize())
	rand.Read(value)
	a.carry.exchange = exchange{kind, value}
	tag := tagChallenge
	sent := value
	if kind == mutual {
		tag, sent = tagWitness, a.encrypt(value)
	}
	return iso.Data(a.appendTLV(nil, tagTemplate, a.appendTLV(nil, tag, sent)))
}

// checkResponse processes the second step of an external authentication.
func (a *Application) checkResponse(response []byte, pending exchange) iso.Status {
	if pending.kind != external || !equal(response, a.encrypt(pending.value)) || !a.touched(&a.admin.touch) {
		return a.wrongKey()
	}
	a.admin.authenticated = true
	return iso.OK
}

// checkWitness processes the second step of a mutual authentication. The host's
// challenge is encrypted only if the witness is right.
func (a *Application) checkWitness(witness, challenge []byte, pending exchange) iso.Response {
	switch {
	case len(challenge) != a.admin.block.BlockSize():
		return iso.BadData.Response()
	case pending.kind != mutual || !equal(witness, pending.value) || !a.touched(&a.admin.touch):
		return a.wrongKey().Response()
	}
	a.admin.authenticated = true
	if a.config.Quirks.SilentMutual {
		return iso.OK.Response()
	}
	return iso.Data(a.appendTLV(nil, tagTemplate, a.appendTLV(nil, tagResponse, a.encrypt(challenge))))
}

func (a *Application) encrypt(block []byte) []byte {
	ciphertext := slices.Clone(block)
	a.admin.block.Encrypt(ciphertext, block)
	return ciphertext
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
