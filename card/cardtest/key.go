package cardtest

import (
	"crypto"
	"crypto/elliptic"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// A KeyKind is an algorithm and key length.
type KeyKind string

// Kinds of keys for signatures.
const (
	RSA1024 KeyKind = "RSA 1024"
	RSA2048 KeyKind = "RSA 2048"
	RSA3072 KeyKind = "RSA 3072"
	RSA4096 KeyKind = "RSA 4096"
	P256    KeyKind = "P-256"
	P384    KeyKind = "P-384"
	P521    KeyKind = "P-521" // not for PIV cards
	Ed25519 KeyKind = "Ed25519"
)

// Key returns the n-th key of a kind. The keys are fixed and public, so that tests
// need not generate any. There are three of RSA 2048 and of P-256 (n = 0, 1, 2), two
// of P-384 and one of each other kind. Key panics if there is no such key.
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
	panic(fmt.Sprintf("cardtest: no key %d of kind %q", n, kind))
}
