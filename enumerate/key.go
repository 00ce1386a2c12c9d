package enumerate

import (
	"crypto"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/internal/signature"
	"github.com/smartlogon/smartlogon/piv"
)

// A Key is the unlocked key of a [Credential]: a [crypto.Signer], a
// [crypto.MessageSigner] and, as its algorithm allows, a [crypto.Decrypter] or a
// party to a Diffie-Hellman exchange. What its algorithm cannot do fails with
// [errors.ErrUnsupported]. It is safe for concurrent use.
//
// Every signature is checked under the certificate before it is returned.
type Key struct {
	signer crypto.Signer // and what else it can do
	check  bool          // what it signs
	name   string        // the container and its reader
}

// failed says in an error which key of which card it is about.
func (k *Key) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("enumerate: %s with %s: %w", what, k.name, err)
}

// Public is the public key of the certificate.
func (k *Key) Public() crypto.PublicKey { return k.signer.Public() }

// Sign signs a digest; see [piv.Key.Sign].
func (k *Key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	made, err := k.signer.Sign(random, digest, opts)
	if err == nil && k.check && !signature.Verify(k.Public(), digest, made, opts) {
		made, err = nil, piv.ErrMismatch
	}
	return made, k.failed("sign", err)
}

// SignMessage signs a message; see [piv.Key.SignMessage].
func (k *Key) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if h := opts.HashFunc(); h != 0 {
		if !h.Available() {
			return nil, k.failed("sign", fmt.Errorf("%w: hash %v", errors.ErrUnsupported, h))
		}
		d := h.New()
		d.Write(message)
		message = d.Sum(nil)
	}
	return k.Sign(random, message, opts)
}

// Decrypt decrypts with RSA; see [piv.Key.Decrypt].
func (k *Key) Decrypt(random io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	d, ok := k.signer.(crypto.Decrypter)
	if !ok {
		return nil, k.failed("decrypt", errors.ErrUnsupported)
	}
	plain, err := d.Decrypt(random, ciphertext, opts)
	return plain, k.failed("decrypt", err)
}

// ECDH agrees on a secret with the holder of another key; see [piv.Key.ECDH].
func (k *Key) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	p, ok := k.signer.(agreer)
	if !ok {
		return nil, k.failed("agree", errors.ErrUnsupported)
	}
	secret, err := p.ECDH(peer)
	return secret, k.failed("agree", err)
}

// An agreer is a party to a Diffie-Hellman exchange, as [ecdh.PrivateKey] is.
type agreer interface {
	ECDH(*ecdh.PublicKey) ([]byte, error)
}

// Close lets go of the card, and logs out when it was the last key that is open
// on it.
func (k *Key) Close() error {
	if c, ok := k.signer.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
