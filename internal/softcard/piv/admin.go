package piv

import (
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

// An AdminKey is the key of the card administrator (9B). The zero value is the
// customary 3DES key, 01 to 08 three times.
type AdminKey struct {
	Algorithm Algorithm // TripleDES, AES128, AES192 or AES256
	Key       []byte    // 24, 16, 24 or 32 bytes
}

// customaryKey is what cards come with.
const customaryKey = "\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08"

// adminKeyLen are the lengths of the administrator's key.
var adminKeyLen = map[Algorithm]int{TripleDES: 24, AES128: 16, AES192: 24, AES256: 32}

// An admin is the administrator's key and whether he has proved to have it.
type admin struct {
	key           AdminKey
	block         cipher.Block
	touch         toucher
	authenticated bool
}

// An exchange is an authentication of the administrator after its first step.
// Its value lasts for the next command only.
type exchange struct {
	kind  exchangeKind
	value []byte // the plain text that the administrator has to know, or to encrypt
}

type exchangeKind byte

const (
	noExchange exchangeKind = iota
	external                // the administrator encrypts our challenge
	mutual                  // the administrator decrypts our witness, and challenges us
)

// newAdmin takes a key; one that is no key of its algorithm is a mistake of
// the test that makes the card.
func newAdmin(key AdminKey) admin {
	if key.Algorithm == 0 {
		key = AdminKey{TripleDES, []byte(customaryKey)}
	}
	block, err := key.cipher()
	if err != nil {
		panic(err.Error())
	}
	return admin{key: key, block: block, touch: toucher{policy: TouchNever}}
}

func (k AdminKey) cipher() (cipher.Block, error) {
	if n, ok := adminKeyLen[k.Algorithm]; !ok || n != len(k.Key) {
		return nil, fmt.Errorf("piv: %d bytes are no administrator's key for algorithm %02X", len(k.Key), byte(k.Algorithm))
	}
	if k.Algorithm == TripleDES {
		return des.NewTripleDESCipher(k.Key)
	}
	return aes.NewCipher(k.Key)
}

// authenticateAdmin takes the administrator one step further (SP 800-73-4 part
// 2, A.1 and A.2). A new first step ends what was proved before; a challenge
// serves once.
func (a *Application) authenticateAdmin(c iso.Command, under exchange) iso.Answer {
	alg := Algorithm(c.P1)
	if alg == 0x00 {
		alg = TripleDES
	}
	if a.config.Contactless {
		return iso.SecurityNotSatisfied.Answer()
	}
	a.admin.authenticated = false
	if alg != a.admin.key.Algorithm {
		return a.otherAlgorithm().Answer()
	}
	t, ok := parseTemplate(c.Data)
	if !ok || t.exponentiation != nil {
		return iso.BadData.Answer()
	}
	switch {
	case asked(t.challenge) && t.witness == nil && len(t.response) == 0:
		return a.challenge(external)
	case asked(t.witness) && t.challenge == nil && len(t.response) == 0:
		return a.challenge(mutual)
	case len(t.response) > 0 && t.witness == nil && t.challenge == nil:
		return a.checkResponse(t.response, under).Answer()
	case len(t.witness) > 0 && len(t.challenge) > 0 && len(t.response) == 0:
		return a.checkWitness(t.witness, t.challenge, under)
	}
	return iso.BadData.Answer()
}

// asked reports whether a field is there and empty.
func asked(field []byte) bool { return field != nil && len(field) == 0 }

// otherAlgorithm is the answer to P1 that is not the algorithm of the key.
func (a *Application) otherAlgorithm() iso.Status {
	if a.isYubiKey() {
		return iso.BadData
	}
	return iso.BadParameters
}

// challenge sends a random value: plain for the administrator to encrypt, or
// encrypted for him to decrypt.
func (a *Application) challenge(kind exchangeKind) iso.Answer {
	value := make([]byte, a.admin.block.BlockSize())
	rand.Read(value)
	a.next.exchange = exchange{kind, value}
	tag := tagChallenge
	sent := value
	if kind == mutual {
		tag, sent = tagWitness, a.encrypted(value)
	}
	return iso.Data(a.appendTLV(nil, tagTemplate, a.appendTLV(nil, tag, sent)))
}

// checkResponse is the second step of external authentication.
func (a *Application) checkResponse(response []byte, under exchange) iso.Status {
	if under.kind != external || !equal(response, a.encrypted(under.value)) || !a.touched(&a.admin.touch) {
		return iso.SecurityNotSatisfied
	}
	a.admin.authenticated = true
	return iso.OK
}

// checkWitness is the second step of mutual authentication. The card answers
// the administrator's challenge only if he knows the witness.
func (a *Application) checkWitness(witness, challenge []byte, under exchange) iso.Answer {
	switch {
	case len(challenge) != a.admin.block.BlockSize():
		return iso.BadData.Answer()
	case under.kind != mutual || !equal(witness, under.value) || !a.touched(&a.admin.touch):
		return iso.SecurityNotSatisfied.Answer()
	}
	a.admin.authenticated = true
	return iso.Data(a.appendTLV(nil, tagTemplate, a.appendTLV(nil, tagResponse, a.encrypted(challenge))))
}

func (a *Application) encrypted(block []byte) []byte {
	out := slices.Clone(block)
	a.admin.block.Encrypt(out, block)
	return out
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
