package gids

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/subtle"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// adminReference is the reference of the administrator's key.
const adminReference = 0x80

// Elements of a dynamic authentication template (ISO/IEC 7816-4, 11.5.5).
const (
	tagDynamic   ber.Tag = 0x7C
	tagChallenge ber.Tag = 0x81
	tagResponse  ber.Tag = 0x82
)

// Sizes of an authentication.
const (
	externalSize = des.BlockSize
	mutualSize   = 16
	materialSize = 7  // of the key material that both sides add
	proofSize    = 40 // two challenges, material, and a byte of padding
)

// authenticate answers GENERAL AUTHENTICATE: a challenge, or the answer to one.
func (a *Application) authenticate(c iso.Command) iso.Answer {
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters.Answer()
	}
	dynamic, ok, err := ber.Find(c.Data, tagDynamic)
	if err != nil || !ok {
		return dataInvalid.Answer()
	}
	if !a.now.adminChosen {
		return iso.ConditionsNotSatisfied.Answer()
	}
	if theirs, ok, _ := ber.Find(dynamic, tagChallenge); ok {
		return a.challenge(theirs)
	}
	response, ok, _ := ber.Find(dynamic, tagResponse)
	if !ok {
		return dataInvalid.Answer()
	}
	challenge, mutual := a.now.challenge, a.now.mutual
	a.now.challenge, a.now.mutual = nil, nil // one answer each
	f := a.keyFile(adminReference)
	switch {
	case challenge == nil:
		return iso.ConditionsNotSatisfied.Answer()
	case f == nil || f.key.admin == nil:
		return dataInvalid.Answer()
	case mutual == nil:
		return a.external(f.key.admin, challenge, response).Answer()
	}
	return a.prove(f.key.admin, challenge, mutual, response)
}

// challenge begins an authentication: of the administrator alone, or of both.
func (a *Application) challenge(theirs []byte) iso.Answer {
	size := externalSize
	switch len(theirs) {
	case 0:
		a.now.mutual = nil
	case mutualSize:
		size, a.now.mutual = mutualSize, slices.Clone(theirs)
	default:
		return dataInvalid.Answer()
	}
	a.now.challenge = make([]byte, size)
	rand.Read(a.now.challenge)
	return iso.Data(ber.Append(nil, tagDynamic, ber.Append(nil, tagChallenge, a.now.challenge)))
}

// external ends an authentication of the administrator alone.
func (a *Application) external(admin, challenge, response []byte) iso.Status {
	if subtle.ConstantTimeCompare(crypt(admin, challenge, true), response) == 0 {
		return iso.SecurityNotSatisfied
	}
	a.now.admin = true
	return iso.OK
}

// prove ends an authentication of both: the other side has put the challenges
// together the one way, the card answers with them the other way.
func (a *Application) prove(admin, challenge, mutual, response []byte) iso.Answer {
	if len(response) != proofSize {
		return dataInvalid.Answer()
	}
	plain := crypt(admin, response, false)
	if subtle.ConstantTimeCompare(plain[:2*mutualSize], slices.Concat(challenge, mutual)) == 0 {
		return iso.SecurityNotSatisfied.Answer()
	}
	a.now.admin = true
	material := make([]byte, materialSize)
	rand.Read(material)
	proof := crypt(admin, slices.Concat(mutual, challenge, material, []byte{0x80}), true)
	return iso.Data(ber.Append(nil, tagDynamic, ber.Append(nil, tagResponse, proof)))
}

// crypt is 3DES in CBC mode from a block of zeros. The key has been checked, and
// whole blocks are given.
func crypt(admin, data []byte, encrypt bool) []byte {
	block, err := des.NewTripleDESCipher(admin)
	if err != nil {
		panic("gids: " + err.Error()) // a key of 24 bytes is always good
	}
	out, iv := make([]byte, len(data)), make([]byte, des.BlockSize)
	if encrypt {
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, data)
	} else {
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	}
	return out
}
