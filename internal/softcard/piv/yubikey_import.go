package piv

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// importKey processes IMPORT ASYMMETRIC KEY. An RSA key is sent as its two
// primes and the three numbers of the Chinese remainder theorem, another key as
// one byte string.
func (a *Application) importKey(c iso.Command) iso.Status {
	alg, ref := Algorithm(c.P1), c.P2
	switch {
	case !isSlot(ref) && ref != slotAttestation:
		return iso.BadParameters
	case !a.admin.authenticated:
		return iso.SecurityNotSatisfied
	case !a.supports(alg):
		return iso.BadParameters
	}
	r := ber.BER(c.Data)
	key, ok := parsePrivateKey(alg, &r)
	if !ok {
		return iso.BadData
	}
	pin, touch, ok := a.readPolicies(&r, ref)
	if !ok {
		return iso.BadData
	}
	a.slots[ref] = &slot{key: key, alg: alg, pin: pin, touch: touchState{policy: touch}}
	return iso.OK
}

// parsePrivateKey takes the elements of a private key from r.
func parsePrivateKey(alg Algorithm, r *ber.Reader) (crypto.PrivateKey, bool) {
	switch alg {
	case P256:
		return parseScalar(r, elliptic.P256())
	case P384:
		return parseScalar(r, elliptic.P384())
	case Ed25519:
		seed, ok := r.Take(0x07)
		if !ok || len(seed.Value) != ed25519.SeedSize {
			return nil, false
		}
		return ed25519.NewKeyFromSeed(seed.Value), true
	case X25519:
		scalar, ok := r.Take(0x08)
		if !ok {
			return nil, false
		}
		key, err := ecdh.X25519().NewPrivateKey(bytes.Clone(scalar.Value))
		return key, err == nil
	}
	return parseRSA(r, rsaBits[alg])
}

func parseScalar(r *ber.Reader, curve elliptic.Curve) (crypto.PrivateKey, bool) {
	scalar, ok := r.Take(0x06)
	if !ok {
		return nil, false
	}
	key, err := ecdsa.ParseRawPrivateKey(curve, scalar.Value)
	return key, err == nil
}

// parseRSA takes p, q, dP, dQ and qInv, each half as long as the modulus. The
// public exponent is always 65537, so p and q determine the key; the other three
// must be consistent with them.
func parseRSA(r *ber.Reader, bits int) (crypto.PrivateKey, bool) {
	var n [5]*big.Int
	for i := range n {
		e, ok := r.Take(ber.Tag(i + 1))
		if !ok || len(e.Value) != bits/16 {
			return nil, false
		}
		n[i] = new(big.Int).SetBytes(e.Value)
	}
	p, q := n[0], n[1]
	one := big.NewInt(1)
	key := &rsa.PrivateKey{Primes: []*big.Int{p, q}, D: new(big.Int)}
	key.N, key.E = new(big.Int).Mul(p, q), publicExponent
	if key.N.BitLen() != bits || p.Bit(0) == 0 || q.Bit(0) == 0 {
		return nil, false
	}
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	phi := new(big.Int).Mul(p1, q1)
	if key.D.ModInverse(big.NewInt(publicExponent), phi) == nil || key.Validate() != nil {
		return nil, false
	}
	consistent := n[2].Cmp(new(big.Int).Mod(key.D, p1)) == 0 &&
		n[3].Cmp(new(big.Int).Mod(key.D, q1)) == 0 &&
		n[4].Cmp(new(big.Int).ModInverse(q, p)) == 0
	return key, consistent
}
