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

	tagPublicKey ber.Tag = 0x7F49
	tagModulus   ber.Tag = 0x81
	tagPublicExp ber.Tag = 0x82
	tagPoint     ber.Tag = 0x86
)

// publicExponent is the only one that the card makes keys with.
const publicExponent = 65537

// generate makes a key pair in a slot and answers with the public key (SP
// 800-73-4 part 2, 3.3.2). The certificate in the slot stays.
func (a *Application) generate(c iso.Command) iso.Answer {
	if c.P1 != 0 || !a.generates(c.P2) {
		return iso.BadParameters.Answer()
	}
	if s := a.manageable(); s != iso.OK {
		return s.Answer()
	}
	s, ok := a.readControl(c.Data, c.P2)
	if !ok || !a.makes(s.alg) {
		return iso.BadData.Answer()
	}
	var err error
	if s.key, err = a.newKey(s.alg); err != nil {
		return iso.Failed.Answer()
	}
	a.slots[c.P2] = s
	return iso.Data(a.appendTLV(nil, tagPublicKey, a.publicKey(s.key)))
}

// generates reports whether keys can be made in a slot: in those for retired
// keys only by a YubiKey.
func (a *Application) generates(ref byte) bool {
	if slotFirstRetired <= ref && ref <= slotLastRetired {
		return a.has(firmwarePolicies)
	}
	return a.holds(ref)
}

// makes reports whether the card makes keys of a kind: those that SP 800-78-5
// allows for new keys, or those that a YubiKey knows.
func (a *Application) makes(alg Algorithm) bool {
	yubikey := a.isYubiKey()
	switch alg {
	case RSA2048, P256:
		return true
	case RSA1024:
		return yubikey
	case P384:
		return !yubikey || a.has(firmwarePolicies)
	case RSA3072:
		return !yubikey || a.has(firmwareBigKeys)
	case RSA4096, Ed25519, X25519:
		return a.has(firmwareBigKeys)
	}
	return false
}

// readControl reads the control reference template: what key a slot is to
// hold.
func (a *Application) readControl(data []byte, ref byte) (*slot, bool) {
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
	return &slot{alg: alg, pin: pin, touch: toucher{policy: touch}, generated: true}, ok
}

// exponentBytes is publicExponent as the card writes it.
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
	made, err := algorithmOf(key)
	if err == nil && made != alg {
		err = fmt.Errorf("piv: Config.Generate made a key for algorithm %02X instead of %02X", byte(made), byte(alg))
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

// publicKey is the public half of a key as the elements of a public key
// template (SP 800-73-4 part 2, table 12).
func (a *Application) publicKey(key crypto.PrivateKey) []byte {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		b := a.appendTLV(nil, tagModulus, key.N.Bytes())
		return a.appendTLV(b, tagPublicExp, big.NewInt(int64(key.E)).Bytes())
	case *ecdsa.PrivateKey:
		point, err := key.PublicKey.Bytes()
		if err != nil {
			return nil
		}
		return a.appendTLV(nil, tagPoint, point)
	case ed25519.PrivateKey:
		return a.appendTLV(nil, tagPoint, key.Public().(ed25519.PublicKey))
	case *ecdh.PrivateKey:
		return a.appendTLV(nil, tagPoint, key.PublicKey().Bytes())
	}
	return nil
}
