package piv

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// decodePublicKey reads the elements of a public key (SP 800-73-4 part 2, table
// 12): modulus and exponent, or a point.
func decodePublicKey(a Algorithm, content []byte) (crypto.PublicKey, error) {
	var modulus, exponent, point []byte
	err := fields(content, func(e ber.Element) error {
		switch e.Tag {
		case 0x81:
			modulus = e.Value
		case 0x82:
			exponent = e.Value
		case 0x86:
			point = e.Value
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var key crypto.PublicKey
	switch a {
	case P256:
		key, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	case P384:
		key, err = ecdsa.ParseUncompressedPublicKey(elliptic.P384(), point)
	case Ed25519:
		key = ed25519.PublicKey(point)
		if len(point) != ed25519.PublicKeySize {
			err = fmt.Errorf("point of %d bytes", len(point))
		}
	case X25519:
		key, err = ecdh.X25519().NewPublicKey(point)
	default:
		key, err = decodeRSA(a.rsaBits(), modulus, exponent)
	}
	if err != nil {
		return nil, malformed(fmt.Errorf("public key for %v: %w", a, err))
	}
	return key, nil
}

// decodeRSA returns an RSA key that has the length of the algorithm and that
// crypto/rsa can use.
func decodeRSA(bits int, modulus, exponent []byte) (*rsa.PublicKey, error) {
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	switch {
	case bits == 0:
		return nil, errors.New("unknown algorithm")
	case n.BitLen() != bits || n.Bit(0) == 0:
		return nil, fmt.Errorf("modulus of %d bits", n.BitLen())
	case e.BitLen() > 31 || e.BitLen() < 2 || e.Bit(0) == 0:
		return nil, fmt.Errorf("exponent of %d bits", e.BitLen())
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}
