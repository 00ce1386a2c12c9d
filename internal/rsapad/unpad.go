package rsapad

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Unpadding returns the function that removes the padding of a decrypted block:
// PKCS #1 v1.5 if opts is nil or *[rsa.PKCS1v15DecryptOptions], OAEP if it is
// *[rsa.OAEPOptions]. For a malformed block, the function returns
// [rsa.ErrDecryption], or a random key from random if opts has a SessionKeyLen.
func Unpadding(random io.Reader, opts crypto.DecrypterOpts) (func(block []byte) ([]byte, error), error) {
	switch o := opts.(type) {
	case nil:
		return unpadPKCS1, nil
	case *rsa.PKCS1v15DecryptOptions:
		if o.SessionKeyLen > 0 {
			return func(block []byte) ([]byte, error) { return unpadSessionKey(random, block, o.SessionKeyLen) }, nil
		}
		return unpadPKCS1, nil
	case *rsa.OAEPOptions:
		return func(block []byte) ([]byte, error) { return unpadOAEP(block, o) }, nil
	}
	return nil, fmt.Errorf("%w: decryption with %T", errors.ErrUnsupported, opts)
}

// Restore returns the result of a private-key operation with its leading zeros, which
// some cards leave out. A longer or empty result is returned as it is.
func Restore(public *rsa.PublicKey, result []byte) []byte {
	missing := public.Size() - len(result)
	if missing <= 0 || len(result) == 0 {
		return result
	}
	restored := make([]byte, public.Size())
	copy(restored[missing:], result)
	return restored
}

// EncryptsTo reports whether the raw public-key operation turns block into
// ciphertext.
func EncryptsTo(public *rsa.PublicKey, block, ciphertext []byte) bool {
	m := new(big.Int).SetBytes(block)
	if len(block) != public.Size() || m.Cmp(public.N) >= 0 {
		return false
	}
	m.Exp(m, big.NewInt(int64(public.E)), public.N)
	return bytes.Equal(m.FillBytes(make([]byte, public.Size())), ciphertext)
}

// splitPKCS1 returns where the message in a block starts (RFC 8017, 7.2.2), in
// constant time. ok is 1 or 0.
func splitPKCS1(block []byte) (ok, start int) {
	ok = subtle.ConstantTimeByteEq(block[0], 0) & subtle.ConstantTimeByteEq(block[1], 2)
	looking := 1
	for i := 2; i < len(block); i++ {
		zero := subtle.ConstantTimeByteEq(block[i], 0)
		start = subtle.ConstantTimeSelect(looking&zero, i+1, start)
		looking = subtle.ConstantTimeSelect(zero, 0, looking)
	}
	return ok & (looking ^ 1) & subtle.ConstantTimeLessOrEq(2+8+1, start), start
}

func unpadPKCS1(block []byte) ([]byte, error) {
	ok, start := splitPKCS1(block)
	if ok == 0 {
		return nil, rsa.ErrDecryption
	}
	return bytes.Clone(block[start:]), nil
}

// unpadSessionKey returns a random key if the block does not hold a key of that
// length, so that the result does not show whether it does (RFC 8017, 7.2, note on
// Bleichenbacher's attack).
func unpadSessionKey(random io.Reader, block []byte, length int) ([]byte, error) {
	if length > len(block)-11 {
		return nil, rsa.ErrDecryption
	}
	if random == nil {
		random = rand.Reader
	}
	key := make([]byte, length)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, err
	}
	ok, start := splitPKCS1(block)
	ok &= subtle.ConstantTimeEq(int32(len(block)-start), int32(length))
	subtle.ConstantTimeCopy(ok, key, block[len(block)-length:])
	return key, nil
}

// unpadOAEP decodes by EME-OAEP (RFC 8017, 7.1.2).
func unpadOAEP(block []byte, opts *rsa.OAEPOptions) ([]byte, error) {
	hash, mgf := opts.Hash, opts.MGFHash
	if mgf == 0 {
		mgf = hash
	}
	for _, h := range [...]crypto.Hash{hash, mgf} {
		if err := checkHash("OAEP", h); err != nil {
			return nil, err
		}
	}
	n := hash.Size()
	if len(block) < 2*n+2 {
		return nil, rsa.ErrDecryption
	}
	seed, db := block[1:1+n], block[1+n:]
	maskMGF1(mgf, seed, db)
	maskMGF1(mgf, db, seed)
	h := hash.New()
	h.Write(opts.Label)
	ok := subtle.ConstantTimeByteEq(block[0], 0) & subtle.ConstantTimeCompare(h.Sum(nil), db[:n])
	looking, start := 1, 0
	for i := n; i < len(db); i++ {
		one := subtle.ConstantTimeByteEq(db[i], 1)
		zero := subtle.ConstantTimeByteEq(db[i], 0)
		start = subtle.ConstantTimeSelect(looking&one, i+1, start)
		ok &= subtle.ConstantTimeSelect(looking, one|zero, 1)
		looking = subtle.ConstantTimeSelect(one, 0, looking)
	}
	if ok&(looking^1) == 0 {
		return nil, rsa.ErrDecryption
	}
	return bytes.Clone(db[start:]), nil
}
