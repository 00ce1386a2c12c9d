package enumerate

import (
	"crypto"
	"crypto/ecdh"
	"io"

	"github.com/smartlogon/smartlogon/piv"
)

// A Key is the unlocked key of a [Credential]: a [crypto.Signer], a
// [crypto.MessageSigner] and, as its algorithm allows, a [crypto.Decrypter] or a
// party to a Diffie-Hellman exchange. What its algorithm cannot do fails with
// [errors.ErrUnsupported]. It is safe for concurrent use.
//
// Every signature is checked under the certificate before it is returned.
type Key struct{ key *piv.Key }

// Public is the public key of the certificate.
func (k *Key) Public() crypto.PublicKey { return k.key.Public() }

// Sign signs a digest; see [piv.Key.Sign].
func (k *Key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.key.Sign(random, digest, opts)
}

// SignMessage signs a message; see [piv.Key.SignMessage].
func (k *Key) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.key.SignMessage(random, message, opts)
}

// Decrypt decrypts with RSA; see [piv.Key.Decrypt].
func (k *Key) Decrypt(random io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	return k.key.Decrypt(random, ciphertext, opts)
}

// ECDH agrees on a secret with the holder of another key; see [piv.Key.ECDH].
func (k *Key) ECDH(peer *ecdh.PublicKey) ([]byte, error) { return k.key.ECDH(peer) }

// Close lets go of the card, and logs out when it was the last key that is open
// on it.
func (k *Key) Close() error { return k.key.Close() }
