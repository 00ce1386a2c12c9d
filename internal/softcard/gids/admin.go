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
	proofEnd     = 0x80
)

// authenticate answers GENERAL AUTHENTICATE: a challenge, or the answer to one.
// Whoever begins anew or fails is not the administrator any more.
func (a *Application) authenticate(c iso.Command) iso.Answer {
	if a.state == settingUp {
		return commandForbidden.Answer()
	}
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters.Answer()
	}
	dynamic, ok, err := ber.Find(c.Data, tagDynamic)
	if err != nil || !ok {
		return dataInvalid.Answer()
	}
	theirs, asks, _ := ber.Find(dynamic, tagChallenge)
	response, _, _ := ber.Find(dynamic, tagResponse)
	challenge, mutual := a.now.challenge, a.now.mutual
	switch {
	case !asks && len(response) == 0:
		return dataInvalid.Answer()
	case a.now.chosen == nil, !asks && challenge == nil:
		return iso.ConditionsNotSatisfied.Answer()
	}
	a.now.admin, a.now.challenge, a.now.mutual = false, nil, nil // one answer each
	switch {
	case asks:
		return a.challenge(theirs)
	case mutual == nil:
		return a.external(challenge, response).Answer()
	}
	return a.prove(challenge, mutual, response)
}

// challenge begins an authentication: of the administrator alone, or of both.
func (a *Application) challenge(theirs []byte) iso.Answer {
	size := externalSize
	switch len(theirs) {
	case 0:
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
func (a *Application) external(challenge, response []byte) iso.Status {
	if subtle.ConstantTimeCompare(crypt(a.now.chosen.key.admin, challenge, true), response) == 0 {
		return iso.SecurityNotSatisfied
	}
	a.now.admin = true
	return iso.OK
}

// prove ends an authentication of both: the other side has put the challenges
// together the one way, the card answers with them the other way.
func (a *Application) prove(challenge, mutual, response []byte) iso.Answer {
	if len(response) != proofSize {
		return iso.SecurityNotSatisfied.Answer()
	}
	admin := a.now.chosen.key.admin
	plain := crypt(admin, response, false)
	clear(plain[2*mutualSize : proofSize-1]) // their material may be anything
	want := slices.Concat(challenge, mutual, make([]byte, materialSize), []byte{proofEnd})
	if subtle.ConstantTimeCompare(plain, want) == 0 {
		return iso.SecurityNotSatisfied.Answer()
	}
	a.now.admin = true
	material := make([]byte, materialSize)
	rand.Read(material)
	proof := crypt(admin, slices.Concat(mutual, challenge, material, []byte{proofEnd}), true)
	return iso.Data(ber.Append(nil, tagDynamic, ber.Append(nil, tagResponse, proof)))
}

// crypt is 3DES in CBC mode from a block of zeros, of whole blocks. The length of the
// key was checked where it came in.
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
