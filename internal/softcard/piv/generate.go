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

// A wish is what the administrator wants generated.
type wish struct {
	alg Algorithm
}

// generate makes a key pair in a slot and answers with the public key (SP
// 800-73-4 part 2, 3.3.2). The certificate in the slot stays.
func (a *Application) generate(c iso.Command) iso.Answer {
	if c.P1 != 0 || !a.generates(c.P2) {
		return iso.BadParameters.Answer()
	}
	if s := a.manageable(); s != iso.OK {
		return s.Answer()
	}
	w, ok := a.readWish(c.Data)
	if !ok || !a.makes(w.alg) {
		return iso.BadData.Answer()
	}
	key, err := a.newKey(w.alg)
	if err != nil {
		return iso.Failed.Answer()
	}
	a.slots[c.P2] = &slot{key: key, alg: w.alg, pin: defaultPolicy(c.P2)}
	return iso.Data(a.appendTLV(nil, tagPublicKey, a.publicKey(key)))
}

// generates reports whether keys can be made in a slot: not in those for
// retired keys.
func (a *Application) generates(ref byte) bool {
	return isSlot(ref) && (ref < slotFirstRetired || ref > slotLastRetired)
}

// makes reports whether the card makes keys of a kind: those that SP 800-78-5
// allows for new keys.
func (a *Application) makes(alg Algorithm) bool {
	switch alg {
	case RSA2048, RSA3072, P256, P384:
		return true
	}
	return false
}

// readWish reads the control reference template.
func (a *Application) readWish(data []byte) (wish, bool) {
	r := ber.BER(data)
	control, ok := r.Take(tagControl)
	if !ok || r.Close() != nil {
		return wish{}, false
	}
	in := control.Inside()
	mechanism, ok := in.Take(tagMechanism)
	if !ok || len(mechanism.Value) != 1 {
		return wish{}, false
	}
	if in.Peek() == tagExponent {
		e, ok := in.Next()
		if !ok || !bytes.Equal(e.Value, exponentBytes) {
			return wish{}, false
		}
	}
	return wish{alg: Algorithm(mechanism.Value[0])}, in.Close() == nil
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
