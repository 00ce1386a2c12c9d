// Package testkeys has private keys for tests. They are committed, so everybody
// has them: they protect nothing and must never be trusted. They exist because
// making an RSA key takes a second and a fixed key makes a test repeatable.
//
// The keys, all PKCS#8 in the keys folder:
//
//	RSA       1024, 3072 and 4096 bits: n = 0; 2048 bits: n = 0, 1, 2
//	ECDSA     P-256: n = 0, 1, 2; P-384: n = 0, 1; P-521: n = 0
//	Ed25519   one
//	X25519    one
//
// Each call parses its key anew, so that no caller can change the key of
// another. A key that does not exist is a panic: the test that asks is wrong.
package testkeys

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"fmt"
)

//go:embed keys/*.pem
var files embed.FS

// RSA is the n-th RSA key with that many bits.
func RSA(bits, n int) *rsa.PrivateKey {
	return load[*rsa.PrivateKey](fmt.Sprintf("rsa-%d-%d", bits, n))
}

// ECDSA is the n-th key on the curve.
func ECDSA(curve elliptic.Curve, n int) *ecdsa.PrivateKey {
	return load[*ecdsa.PrivateKey](fmt.Sprintf("ec-%d-%d", curve.Params().BitSize, n))
}

// Ed25519 is the key for EdDSA signatures (RFC 8032).
func Ed25519() ed25519.PrivateKey { return load[ed25519.PrivateKey]("ed25519-0") }

// X25519 is the key for key agreement (RFC 7748).
func X25519() *ecdh.PrivateKey { return load[*ecdh.PrivateKey]("x25519-0") }

func load[K any](name string) K {
	text, err := files.ReadFile("keys/" + name + ".pem")
	if err != nil {
		panic("testkeys: there is no key " + name)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic("testkeys: key " + name + ": " + err.Error())
	}
	return key.(K)
}
