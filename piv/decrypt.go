package piv

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Decrypt decrypts with an RSA key. Opts is nil or *[rsa.PKCS1v15DecryptOptions]
// for PKCS #1 v1.5, *[rsa.OAEPOptions] for OAEP. Ciphertext that is not what it
// should be gives [rsa.ErrDecryption], or a random key where a SessionKeyLen is
// asked for, and no hint at what is wrong with it ([crypto.Decrypter]).
func (k *Key) Decrypt(random io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	plain, err := k.decrypt(random, ciphertext, opts)
	if err != nil {
		return nil, fmt.Errorf("piv: decrypt with %v: %w", k.slot, err)
	}
	return plain, nil
}

func (k *Key) decrypt(random io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	public, ok := k.public.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: a %T does not decrypt", errors.ErrUnsupported, k.public)
	}
	if len(ciphertext) != public.Size() {
		return nil, rsa.ErrDecryption
	}
	var unpad func([]byte) ([]byte, error)
	switch o := opts.(type) {
	case nil:
		unpad = unpadPKCS1
	case *rsa.PKCS1v15DecryptOptions:
		unpad = unpadPKCS1
		if o.SessionKeyLen > 0 {
			unpad = func(block []byte) ([]byte, error) { return unpadSessionKey(random, block, o.SessionKeyLen) }
		}
	case *rsa.OAEPOptions:
		unpad = func(block []byte) ([]byte, error) { return unpadOAEP(block, o) }
	default:
		return nil, fmt.Errorf("%w: decryption with %T", errors.ErrUnsupported, opts)
	}
	block, err := k.authenticate(tagChallenge, ciphertext)
	if err != nil {
		return nil, err
	}
	defer clear(block)
	if !encryptsTo(public, block, ciphertext) {
		return nil, ErrMismatch
	}
	return unpad(block)
}

// encryptsTo reports whether block is what the private half of the key makes of
// the ciphertext.
func encryptsTo(public *rsa.PublicKey, block, ciphertext []byte) bool {
	m := new(big.Int).SetBytes(block)
	if len(block) != public.Size() || m.Cmp(public.N) >= 0 {
		return false
	}
	m.Exp(m, big.NewInt(int64(public.E)), public.N)
	return bytes.Equal(m.FillBytes(make([]byte, public.Size())), ciphertext)
}

// splitPKCS1 finds the message in a block (RFC 8017, 7.2.2), in a time that does
// not depend on what is in it. ok is 1 or 0.
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

// unpadSessionKey gives a random key where the block has not one of that
// length, so that nobody learns whether it had (RFC 8017, 7.2, the note on
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

// unpadOAEP is EME-OAEP decoding (RFC 8017, 7.1.2).
func unpadOAEP(block []byte, opts *rsa.OAEPOptions) ([]byte, error) {
	hash, mgf := opts.Hash, opts.MGFHash
	if mgf == 0 {
		mgf = hash
	}
	if !hash.Available() || !mgf.Available() {
		return nil, fmt.Errorf("%w: OAEP with hash %v", errors.ErrUnsupported, hash)
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

// ECDH agrees on a secret with the holder of the other key, which is on the same
// curve: P-256 and P-384 (SP 800-73-4 part 2, appendix A.4), X25519 on cards
// that have it. It fits [ecdh.PrivateKey.ECDH]. Nothing tells a wrong secret
// from a right one.
func (k *Key) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	secret, err := k.agree(peer)
	if err != nil {
		return nil, fmt.Errorf("piv: agree with %v: %w", k.slot, err)
	}
	return secret, nil
}

func (k *Key) agree(peer *ecdh.PublicKey) ([]byte, error) {
	var own *ecdh.PublicKey
	switch public := k.public.(type) {
	case *ecdh.PublicKey:
		own = public
	case *ecdsa.PublicKey:
		var err error
		if own, err = public.ECDH(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: a %T does not agree on secrets", errors.ErrUnsupported, k.public)
	}
	if own.Curve() != peer.Curve() {
		return nil, fmt.Errorf("the other key is on %v, not on %v", peer.Curve(), own.Curve())
	}
	secret, err := k.authenticate(tagExponentiation, peer.Bytes())
	if err != nil {
		return nil, err
	}
	want := len(peer.Bytes()) // of X25519; a point is 04, X and Y, the secret X
	if k.algorithm != X25519 {
		want = (want - 1) / 2
	}
	if len(secret) != want {
		return nil, malformed(fmt.Sprintf("secret of %d bytes, not %d", len(secret), want))
	}
	return secret, nil
}
