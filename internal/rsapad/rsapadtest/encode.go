// Package rsapadtest encodes and encrypts blocks, valid and malformed, for tests
// of decryption.
package rsapadtest

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"math/big"
)

// Raw applies the raw public-key operation to a block that begins with start and
// is zero otherwise.
func Raw(public *rsa.PublicKey, start []byte) []byte {
	block := append(bytes.Clone(start), make([]byte, public.Size()-len(start))...)
	m := new(big.Int).SetBytes(block)
	return m.Exp(m, big.NewInt(int64(public.E)), public.N).FillBytes(block)
}

// OAEP encodes by EME-OAEP (RFC 8017, 7.1.1) with the constant seed 07 07 ...
func OAEP(size int, hash, mgf crypto.Hash, label, message []byte) []byte {
	n := hash.Size()
	block := make([]byte, size)
	seed, db := block[1:1+n], block[1+n:]
	h := hash.New()
	h.Write(label)
	copy(db, h.Sum(nil))
	db[len(db)-len(message)-1] = 1
	copy(db[len(db)-len(message):], message)
	for i := range seed {
		seed[i] = 7
	}
	mask := func(data, seed []byte) {
		for i := range data {
			h := mgf.New()
			h.Write(append(bytes.Clone(seed), 0, 0, 0, byte(i/mgf.Size())))
			data[i] ^= h.Sum(nil)[i%mgf.Size()]
		}
	}
	mask(db, bytes.Clone(seed))
	mask(seed, bytes.Clone(db))
	return block
}
