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

// Decrypt decrypts with an RSA key. opts is nil or *[rsa.PKCS1v15DecryptOptions] for
// PKCS #1 v1.5, *[rsa.OAEPOptions] for OAEP. For a malformed ciphertext it returns
// [rsa.ErrDecryption], or a random key if opts has a SessionKeyLen
// ([crypto.Decrypter]); neither reveals what is malformed.
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
	result, err := k.authenticate(tagChallenge, ciphertext)
	if err != nil {
		return nil, err
	}
	defer clear(result)
	block := rsapad.Restore(public, result)
	defer clear(block)
	switch {
	case rsapad.EncryptsTo(public, block, ciphertext):
		return unpad(block)
	case len(result) != public.Size():
		return nil, malformed(fmt.Sprintf("result of decryption of %d bytes, not %d", len(result), public.Size()))
	}
	return nil, ErrMismatch
}

// ECDH performs a Diffie-Hellman exchange with a peer's key on the same curve and
// returns the shared secret, as [ecdh.PrivateKey.ECDH] does: on P-256 and P-384 (SP
// 800-73-4 part 2, appendix A.4), and on X25519 if the card supports it. The secret
// cannot be verified.
func (k *Key) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	if peer == nil {
		return nil, fmt.Errorf("piv: ECDH with %v: no public key", k.slot)
	}
	secret, err := k.agree(peer)
	if err != nil {
		return nil, fmt.Errorf("piv: ECDH with %v: %w", k.slot, err)
	}
	return secret, nil
}

func (k *Key) agree(peer *ecdh.PublicKey) ([]byte, error) {
	var public *ecdh.PublicKey
	switch key := k.public.(type) {
	case *ecdh.PublicKey:
		public = key
	case *ecdsa.PublicKey:
		var err error
		if public, err = key.ECDH(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: a %T has no key agreement", errors.ErrUnsupported, k.public)
	}
	if public.Curve() != peer.Curve() {
		return nil, fmt.Errorf("the peer's key is on %v, not on %v", peer.Curve(), public.Curve())
	}
	secret, err := k.authenticate(tagExponentiation, peer.Bytes())
	if err != nil {
		return nil, err
	}
	want := len(peer.Bytes())
	if k.algorithm != X25519 {
		want = (want - 1) / 2 // the peer's point is 04, X and Y, the secret X
	}
	if len(secret) != want {
		return nil, malformed(fmt.Sprintf("secret of %d bytes, not %d", len(secret), want))
	}
	return secret, nil
}
