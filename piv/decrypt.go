package piv

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/internal/rsapad"
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
	unpad, err := rsapad.Unpadding(random, opts)
	if err != nil {
		return nil, err
	}
	block, err := k.authenticate(tagChallenge, ciphertext)
	if err != nil {
		return nil, err
	}
	defer clear(block)
	if !rsapad.EncryptsTo(public, block, ciphertext) {
		return nil, ErrMismatch
	}
	return unpad(block)
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
