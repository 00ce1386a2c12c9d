package piv

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Tags of GENERATE ASYMMETRIC KEY PAIR (SP 800-73-4 part 2, 3.3.2).
const (
	tagControl   ber.Tag = 0xAC
	tagMechanism ber.Tag = 0x80
	tagExponent  ber.Tag = 0x81
)

// publicExponent is the only one of generated keys.
const publicExponent = 65537

// generate processes GENERATE ASYMMETRIC KEY PAIR and returns the public key
// (SP 800-73-4 part 2, 3.3.2). The certificate in the slot stays.
func (a *Application) generate(c iso.Command) iso.Response {
	if c.P1 != 0 || !a.generatesIn(c.P2) {
		return iso.BadParameters.Response()
	}
	if s := a.checkAdmin(); s != iso.OK {
		return s.Response()
	}
	s, ok := a.parseControl(c.Data, c.P2)
	if !ok || !a.supports(s.alg) {
		return iso.BadData.Response()
	}
	var err error
	if s.key, err = a.newKey(s.alg); err != nil {
		return iso.Failed.Response()
	}
	a.slots[c.P2] = s
	return iso.Data(iso.PublicKeyTemplate(publicKey(s.key), a.appendTLV))
}

// generatesIn reports whether the card generates keys in a slot. In the slots of
// retired keys only a YubiKey does.
func (a *Application) generatesIn(ref byte) bool {
	if slotFirstRetired <= ref && ref <= slotLastRetired {
		return a.atLeast(firmwarePolicies)
	}
	return a.hasSlot(ref)
}

// supports reports whether the card generates and imports keys of an algorithm:
// on a standard card those that SP 800-78-5 allows for new keys.
func (a *Application) supports(alg Algorithm) bool {
	yubikey := a.isYubiKey()
	switch alg {
	case RSA2048, P256:
		return true
	case RSA1024:
		return yubikey
	case P384:
		return !yubikey || a.atLeast(firmwarePolicies)
	case RSA3072:
		return !yubikey || a.atLeast(firmwareBigKeys)
	case RSA4096, Ed25519, X25519:
		return a.atLeast(firmwareBigKeys)
	}
	return false
}

// parseControl parses the control reference template and returns the slot,
// without its key.
func (a *Application) parseControl(data []byte, ref byte) (*slot, bool) {
	r := ber.BER(data)
	control, ok := r.Take(tagControl)
	if !ok || r.Close() != nil {
		return nil, false
	}
	in := control.Inside()
	mechanism, ok := in.Take(tagMechanism)
	if !ok || len(mechanism.Value) != 1 {
		return nil, false
	}
	if in.Peek() == tagExponent {
		e, ok := in.Next()
		if !ok || !bytes.Equal(e.Value, exponentBytes) {
			return nil, false
		}
	}
	pin, touch, ok := a.readPolicies(&in, ref)
	alg := Algorithm(mechanism.Value[0])
	return &slot{alg: alg, pin: pin, touch: touchState{policy: touch}, generated: true}, ok
}

// exponentBytes is publicExponent in the encoding of the card.
var exponentBytes = big.NewInt(publicExponent).Bytes()

func (a *Application) newKey(alg Algorithm) (crypto.PrivateKey, error) {
	generate := a.config.Generate
	if generate == nil {
		generate = randomKey
	}
	key, err := generate(alg)
	if err != nil {
		return nil, err
	}
	got, err := algorithmOf(key)
	if err == nil && got != alg {
		err = fmt.Errorf("piv: Config.Generate returned a key for algorithm %02X instead of %02X", byte(got), byte(alg))
	}
	return key, err
}

func randomKey(alg Algorithm) (crypto.PrivateKey, error) {
	switch alg {
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case X25519:
		return ecdh.X25519().GenerateKey(rand.Reader)
	}
	return rsa.GenerateKey(rand.Reader, rsaBits[alg])
}

// publicKey returns the public key of a private key that [algorithmOf] accepts.
func publicKey(key crypto.PrivateKey) crypto.PublicKey {
	switch key := key.(type) {
	case crypto.Signer:
		return key.Public()
	case *ecdh.PrivateKey:
		return key.PublicKey()
	}
	return nil
}
