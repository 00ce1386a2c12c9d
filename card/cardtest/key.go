package cardtest

import (
	"crypto"
	"crypto/elliptic"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// A KeyKind is a kind of key.
type KeyKind string

// Kinds of keys that sign.
const (
	RSA1024 KeyKind = "RSA 1024"
	RSA2048 KeyKind = "RSA 2048"
	RSA3072 KeyKind = "RSA 3072"
	RSA4096 KeyKind = "RSA 4096"
	P256    KeyKind = "P-256"
	P384    KeyKind = "P-384"
	P521    KeyKind = "P-521" // no PIV card has one
	Ed25519 KeyKind = "Ed25519"
)

// Key is the n-th key of a kind. The keys are the same each time, so that no
// test waits for one to be made, and everybody has them. There are three of
// RSA 2048 and of P-256 (n = 0, 1, 2), two of P-384, one of each other kind;
// Key panics where there is none.
func Key(kind KeyKind, n int) crypto.Signer {
	var bits int
	if _, err := fmt.Sscanf(string(kind), "RSA %d", &bits); err == nil {
		return testkeys.RSA(bits, n)
	}
	switch kind {
	case P256:
		return testkeys.ECDSA(elliptic.P256(), n)
	case P384:
		return testkeys.ECDSA(elliptic.P384(), n)
	case P521:
		return testkeys.ECDSA(elliptic.P521(), n)
	case Ed25519:
		if n == 0 {
			return testkeys.Ed25519()
		}
	}
	panic(fmt.Sprintf("cardtest: there is no key %d of kind %q", n, kind))
}
