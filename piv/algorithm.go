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
)

// An algorithm identifier, P1 of GENERAL AUTHENTICATE (SP 800-78-5, table 9; the
// last three are Yubico's).
type algorithm byte

const (
	rsa3072   algorithm = 0x05
	rsa1024   algorithm = 0x06
	rsa2048   algorithm = 0x07
	eccP256   algorithm = 0x11
	eccP384   algorithm = 0x14
	rsa4096   algorithm = 0x16
	edwards25 algorithm = 0xE0
	x25519    algorithm = 0xE1
)

// algorithmOf is the identifier for a key, by its public half.
func algorithmOf(public crypto.PublicKey) (algorithm, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		switch k.N.BitLen() {
		case 1024:
			return rsa1024, nil
		case 2048:
			return rsa2048, nil
		case 3072:
			return rsa3072, nil
		case 4096:
			return rsa4096, nil
		}
		return 0, fmt.Errorf("%w: PIV has no RSA keys of %d bits", errors.ErrUnsupported, k.N.BitLen())
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return eccP256, nil
		case elliptic.P384():
			return eccP384, nil
		}
		return 0, fmt.Errorf("%w: PIV has no keys on curve %s", errors.ErrUnsupported, k.Curve.Params().Name)
	case ed25519.PublicKey:
		return edwards25, nil
	case *ecdh.PublicKey:
		switch k.Curve() {
		case ecdh.X25519():
			return x25519, nil
		case ecdh.P256():
			return eccP256, nil
		case ecdh.P384():
			return eccP384, nil
		}
	}
	return 0, fmt.Errorf("%w: PIV has no keys of type %T", errors.ErrUnsupported, public)
}
