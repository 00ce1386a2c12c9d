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

// Sizes in an authentication.
const (
	externalSize = des.BlockSize
	mutualSize   = 16
	materialSize = 7  // key material that each side adds
	proofSize    = 40 // two challenges, key material, and the padding byte
	proofPadding = 0x80
)

// authenticate processes GENERAL AUTHENTICATE: a request for a challenge, or the
// response to one. Both end an earlier authentication of the administrator, and a
// challenge is valid once.
func (a *Application) authenticate(c iso.Command) iso.Response {
	if a.state == stateInitialization {
		return statusCommandNotAllowed.Response()
	}
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters.Response()
	}
	dynamic, ok, err := ber.Find(c.Data, tagDynamic)
	if err != nil || !ok {
		return statusDataInvalid.Response()
	}
	hostChallenge, requested, _ := ber.Find(dynamic, tagChallenge)
	response, _, _ := ber.Find(dynamic, tagResponse)
	s := &a.session
	pending, mutual := s.cardChallenge, s.hostChallenge
	switch {
	case !requested && len(response) == 0:
		return statusDataInvalid.Response()
	case s.authKey == nil, !requested && pending == nil:
		return iso.ConditionsNotSatisfied.Response()
	}
	s.admin, s.cardChallenge, s.hostChallenge = false, nil, nil
	switch {
	case requested:
		return a.sendChallenge(hostChallenge)
	case mutual == nil:
		return a.checkExternal(pending, response).Response()
	}
	return a.checkMutual(pending, mutual, response)
}

// sendChallenge returns a challenge. The host's own one makes the authentication
// mutual.
func (a *Application) sendChallenge(hostChallenge []byte) iso.Response {
	size := externalSize
	switch len(hostChallenge) {
	case 0:
	case mutualSize:
		size, a.session.hostChallenge = mutualSize, slices.Clone(hostChallenge)
	default:
		return statusDataInvalid.Response()
	}
	challenge := make([]byte, size)
	rand.Read(challenge)
	a.session.cardChallenge = challenge
	return iso.Data(ber.Append(nil, tagDynamic, ber.Append(nil, tagChallenge, challenge)))
}

// checkExternal processes the response of an external authentication.
func (a *Application) checkExternal(challenge, response []byte) iso.Status {
	want, err := tripleDES(a.session.authKey.key.admin, challenge, true)
	switch {
	case err != nil:
		return iso.NotSupported
	case subtle.ConstantTimeCompare(want, response) == 0:
		return iso.SecurityNotSatisfied
	}
	a.session.admin = true
	return iso.OK
}

// checkMutual processes the response of a mutual authentication: the encrypted
// challenges of card and host. The card returns them in the reverse order.
func (a *Application) checkMutual(cardChallenge, hostChallenge, response []byte) iso.Response {
	if len(response) != proofSize {
		return iso.SecurityNotSatisfied.Response()
	}
	key := a.session.authKey.key.admin
	plain, err := tripleDES(key, response, false)
	if err != nil {
		return iso.NotSupported.Response()
	}
	clear(plain[2*mutualSize : proofSize-1]) // the host's key material is arbitrary
	want := slices.Concat(cardChallenge, hostChallenge, make([]byte, materialSize), []byte{proofPadding})
	if subtle.ConstantTimeCompare(plain, want) == 0 {
		return iso.SecurityNotSatisfied.Response()
	}
	a.session.admin = true
	material := make([]byte, materialSize)
	rand.Read(material)
	proof, err := tripleDES(key, slices.Concat(hostChallenge, cardChallenge, material, []byte{proofPadding}), true)
	if err != nil {
		return iso.NotSupported.Response()
	}
	return iso.Data(ber.Append(nil, tagDynamic, ber.Append(nil, tagResponse, proof)))
}

// tripleDES encrypts or decrypts whole blocks in CBC mode with a zero IV. The
// length of the key was checked when it was stored, so it fails only in FIPS-only
// mode.
func tripleDES(key, data []byte, encrypt bool) ([]byte, error) {
	block, err := des.NewTripleDESCipher(key)
	if err != nil {
		return nil, err
	}
	result, iv := make([]byte, len(data)), make([]byte, des.BlockSize)
	if encrypt {
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(result, data)
	} else {
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(result, data)
	}
	return result, nil
}
