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

// An Algorithm is an algorithm identifier (SP 800-78-5, table 9).
type Algorithm byte

// Algorithms of keys in slots. RSA4096, Ed25519 and X25519 are Yubico's.
const (
	RSA1024 Algorithm = 0x06
	RSA2048 Algorithm = 0x07
	RSA3072 Algorithm = 0x05
	RSA4096 Algorithm = 0x16
	P256    Algorithm = 0x11
	P384    Algorithm = 0x14
	Ed25519 Algorithm = 0xE0
	X25519  Algorithm = 0xE1
)

// Algorithms of management keys.
const (
	TripleDES Algorithm = 0x03
	AES128    Algorithm = 0x08
	AES192    Algorithm = 0x0A
	AES256    Algorithm = 0x0C
)

var algorithmNames = map[Algorithm]string{
	RSA1024: "RSA 1024", RSA2048: "RSA 2048", RSA3072: "RSA 3072", RSA4096: "RSA 4096",
	P256: "P-256", P384: "P-384", Ed25519: "Ed25519", X25519: "X25519",
	TripleDES: "3DES", AES128: "AES-128", AES192: "AES-192", AES256: "AES-256",
}

// String returns the name, or the identifier in hexadecimal.
func (a Algorithm) String() string {
	if name, ok := algorithmNames[a]; ok {
		return name
	}
	return fmt.Sprintf("%02X", byte(a))
}

// rsaBits returns the length of the modulus, 0 if a is not RSA.
func (a Algorithm) rsaBits() int {
	switch a {
	case RSA1024:
		return 1024
	case RSA2048:
		return 2048
	case RSA3072:
		return 3072
	case RSA4096:
		return 4096
	}
	return 0
}

// algorithmOf returns the algorithm of a key from its public key.
func algorithmOf(public crypto.PublicKey) (Algorithm, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		switch k.N.BitLen() {
		case 1024:
			return RSA1024, nil
		case 2048:
			return RSA2048, nil
		case 3072:
			return RSA3072, nil
		case 4096:
			return RSA4096, nil
		}
		return 0, fmt.Errorf("%w: no PIV algorithm for RSA keys of %d bits", errors.ErrUnsupported, k.N.BitLen())
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return P256, nil
		case elliptic.P384():
			return P384, nil
		}
		return 0, fmt.Errorf("%w: no PIV algorithm for curve %s", errors.ErrUnsupported, k.Curve.Params().Name)
	case ed25519.PublicKey:
		return Ed25519, nil
	case *ecdh.PublicKey:
		switch k.Curve() {
		case ecdh.X25519():
			return X25519, nil
		case ecdh.P256():
			return P256, nil
		case ecdh.P384():
			return P384, nil
		}
	}
	return 0, fmt.Errorf("%w: no PIV algorithm for a %T", errors.ErrUnsupported, public)
}
