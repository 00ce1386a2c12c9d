// Package testkeys holds private keys for tests. They are public and must never be
// trusted. Generating an RSA key takes a second; a fixed one also makes tests
// repeatable.
//
// The keys, in PKCS #8 files in the folder keys:
//
//	RSA       1024, 3072 and 4096 bits: n = 0; 2048 bits: n = 0, 1, 2
//	ECDSA     P-256: n = 0, 1, 2; P-384: n = 0, 1; P-521: n = 0
//	Ed25519   one
//	X25519    one
//
// Callers must not change a key in place. The functions panic if there is no such
// key.
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
	"sync"
)

//go:embed keys/*.pem
var files embed.FS

// rsaKeys holds the RSA keys, which are slow to parse: crypto/rsa checks them.
var rsaKeys sync.Map

// RSA returns the n-th RSA key of a length.
func RSA(bits, n int) *rsa.PrivateKey {
	name := fmt.Sprintf("rsa-%d-%d", bits, n)
	key, ok := rsaKeys.Load(name)
	if !ok {
		key, _ = rsaKeys.LoadOrStore(name, load[*rsa.PrivateKey](name))
	}
	own := *key.(*rsa.PrivateKey)
	return &own
}

// ECDSA returns the n-th key on the curve.
func ECDSA(curve elliptic.Curve, n int) *ecdsa.PrivateKey {
	return load[*ecdsa.PrivateKey](fmt.Sprintf("ec-%d-%d", curve.Params().BitSize, n))
}

// Ed25519 returns the key for EdDSA signatures (RFC 8032).
func Ed25519() ed25519.PrivateKey { return load[ed25519.PrivateKey]("ed25519-0") }

// X25519 returns the key for key agreement (RFC 7748).
func X25519() *ecdh.PrivateKey { return load[*ecdh.PrivateKey]("x25519-0") }

func load[K any](name string) K {
	text, err := files.ReadFile("keys/" + name + ".pem")
	if err != nil {
		panic("testkeys: no key " + name)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic("testkeys: key " + name + ": " + err.Error())
	}
	return key.(K)
}
