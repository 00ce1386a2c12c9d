package iso

import (
	"crypto/rsa"
	"math/big"
)

// Exponentiate computes the RSA private key operation with the Chinese remainder
// theorem (RFC 8017, 5.1.2). It reports false where the key has not two primes, the
// block is not as long as the modulus, or not a smaller number.
func Exponentiate(key *rsa.PrivateKey, block []byte) ([]byte, bool) {
	if len(block) != key.Size() || len(key.Primes) != 2 {
		return nil, false
	}
	c := new(big.Int).SetBytes(block)
	if c.Cmp(key.N) >= 0 {
		return nil, false
	}
	one := big.NewInt(1)
	p, q := key.Primes[0], key.Primes[1]
	power := func(prime *big.Int) *big.Int {
		exponent := new(big.Int).Sub(prime, one)
		exponent.Mod(key.D, exponent)
		return exponent.Exp(c, exponent, prime)
	}
	mp, mq := power(p), power(q)
	h := new(big.Int).Sub(mp, mq)
	h.Mul(h, new(big.Int).ModInverse(q, p))
	h.Mod(h, p)
	m := h.Mul(h, q)
	m.Add(m, mq)
	return m.FillBytes(make([]byte, key.Size())), true
}
