package iso

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"math/big"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Tags of a public key template (ISO/IEC 7816-8, public key data objects).
const (
	tagPublicKey ber.Tag = 0x7F49
	tagModulus   ber.Tag = 0x81
	tagExponent  ber.Tag = 0x82
	tagPoint     ber.Tag = 0x86
)

// PublicKey returns the elements of the public key template for an RSA, ECDSA,
// Ed25519 or X25519 key, and nil for another key. Each element is appended with
// appendTLV, such as [ber.Append].
func PublicKey(key crypto.PublicKey, appendTLV func([]byte, ber.Tag, []byte) []byte) []byte {
	switch key := key.(type) {
	case *rsa.PublicKey:
		b := appendTLV(nil, tagModulus, key.N.Bytes())
		return appendTLV(b, tagExponent, big.NewInt(int64(key.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return nil
		}
		return appendTLV(nil, tagPoint, point)
	case ed25519.PublicKey:
		return appendTLV(nil, tagPoint, key)
	case *ecdh.PublicKey:
		return appendTLV(nil, tagPoint, key.Bytes())
	}
	return nil
}

// PublicKeyTemplate returns the public key template around what [PublicKey]
// returns.
func PublicKeyTemplate(key crypto.PublicKey, appendTLV func([]byte, ber.Tag, []byte) []byte) []byte {
	return appendTLV(nil, tagPublicKey, PublicKey(key, appendTLV))
}
