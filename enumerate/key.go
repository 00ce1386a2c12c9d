package enumerate

import (
	"crypto"
	"crypto/ecdh"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/piv"
)

// A Key is the unlocked key of a [Credential]: a [crypto.Signer], a
// [crypto.MessageSigner] and, as its algorithm allows, a [crypto.Decrypter] or a
// party to a Diffie-Hellman exchange. What its algorithm cannot do fails with
// [errors.ErrUnsupported]. It is safe for concurrent use.
//
// Every signature is checked under the certificate before it is returned.
type Key struct {
	key  *piv.Key
	name string // the container and its reader
}

// failed says in an error which key of which card it is about.
func (k *Key) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("enumerate: %s with %s: %w", what, k.name, err)
}

// Public is the public key of the certificate.
func (k *Key) Public() crypto.PublicKey { return k.key.Public() }

// Sign signs a digest; see [piv.Key.Sign].
func (k *Key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := k.key.Sign(random, digest, opts)
	return signature, k.failed("sign", err)
}

// SignMessage signs a message; see [piv.Key.SignMessage].
func (k *Key) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := k.key.SignMessage(random, message, opts)
	return signature, k.failed("sign", err)
}

// Decrypt decrypts with RSA; see [piv.Key.Decrypt].
func (k *Key) Decrypt(random io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	plain, err := k.key.Decrypt(random, ciphertext, opts)
	return plain, k.failed("decrypt", err)
}

// ECDH agrees on a secret with the holder of another key; see [piv.Key.ECDH].
func (k *Key) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	secret, err := k.key.ECDH(peer)
	return secret, k.failed("agree", err)
}

// Close lets go of the card, and logs out when it was the last key that is open
// on it.
func (k *Key) Close() error { return k.key.Close() }
