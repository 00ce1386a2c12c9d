package piv

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
)

// An Algorithm is an algorithm identifier (SP 800-78-5, table 9).
type Algorithm byte

// Algorithm identifiers. RSA4096, Ed25519 and X25519 are Yubico's.
const (
	TripleDES Algorithm = 0x03
	RSA3072   Algorithm = 0x05
	RSA1024   Algorithm = 0x06
	RSA2048   Algorithm = 0x07
	AES128    Algorithm = 0x08
	AES192    Algorithm = 0x0A
	AES256    Algorithm = 0x0C
	P256      Algorithm = 0x11
	P384      Algorithm = 0x14
	RSA4096   Algorithm = 0x16
	Ed25519   Algorithm = 0xE0
	X25519    Algorithm = 0xE1
)

// rsaBits maps the algorithms of RSA keys to the length of the modulus.
var rsaBits = map[Algorithm]int{RSA1024: 1024, RSA2048: 2048, RSA3072: 3072, RSA4096: 4096}

// algorithmOf returns the algorithm of a key.
func algorithmOf(key crypto.PrivateKey) (Algorithm, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		for alg, bits := range rsaBits {
			if key.N.BitLen() == bits && len(key.Primes) == 2 {
				return alg, nil
			}
		}
		return 0, fmt.Errorf("piv: put key: unsupported RSA key of %d bits and %d primes", key.N.BitLen(), len(key.Primes))
	case *ecdsa.PrivateKey:
		switch key.Curve {
		case elliptic.P256():
			return P256, nil
		case elliptic.P384():
			return P384, nil
		}
		return 0, fmt.Errorf("piv: put key: unsupported curve %s", key.Curve.Params().Name)
	case ed25519.PrivateKey:
		return Ed25519, nil
	case *ecdh.PrivateKey:
		if key.Curve() == ecdh.X25519() {
			return X25519, nil
		}
		return 0, fmt.Errorf("piv: put key: unsupported curve %v", key.Curve())
	}
	return 0, fmt.Errorf("piv: put key: unsupported type %T", key)
}
