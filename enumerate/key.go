package enumerate

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/signature"
)

// A Key is the unlocked key of a [Credential]. It is a [crypto.Signer] and a
// [crypto.MessageSigner]; RSA keys also decrypt, as a [crypto.Decrypter], and
// elliptic curve keys also do Diffie-Hellman. What its algorithm cannot do fails
// with [errors.ErrUnsupported]. A Key works until it is closed and is safe for
// concurrent use.
//
// Every signature is verified under the certificate before it is returned.
type Key struct {
	credential *Credential
	signer     crypto.Signer // may have more methods; see ability
	verify     bool          // the signatures: only keys on cards do that themselves
	hold       *keyHold      // shared by copies
}

// A keyHold is closed by any copy of a key.
type keyHold struct {
	mu     sync.Mutex
	closed bool
	close  func() error
}

// newCardKey returns a key on the card of state.
func newCardKey(c *Credential, key cardapp.Key, state *cardState) *Key {
	if a := state.appState(c.on.kind.Name); a != nil {
		a.present.Store(true)
	}
	state.keys.Add(1)
	return &Key{credential: c, signer: key, hold: &keyHold{close: func() error {
		defer state.keys.Add(-1)
		return key.Close()
	}}}
}

// WithContext returns a copy of the key whose uses are bounded by ctx. Closing one
// copy closes all. It has no effect on a key that is not on a card ([New]).
func (k *Key) WithContext(ctx context.Context) *Key {
	bounded := *k
	if key, ok := k.signer.(cardapp.Key); ok {
		bounded.signer = key.WithContext(ctx)
	}
	return &bounded
}

// Close releases the card. The last open key on a card also logs out: the PIN is no
// longer verified.
func (k *Key) Close() error {
	k.hold.mu.Lock()
	defer k.hold.mu.Unlock()
	if k.hold.closed {
		return nil
	}
	k.hold.closed = true
	return k.hold.close()
}

func (k *Key) isClosed() bool {
	k.hold.mu.Lock()
	defer k.hold.mu.Unlock()
	return k.hold.closed
}

// Public returns the public key of the certificate.
func (k *Key) Public() crypto.PublicKey { return k.signer.Public() }

// Sign signs a digest, or with Ed25519 a message; see [piv.Key.Sign].
func (k *Key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.isClosed() {
		return nil, k.credential.fail("sign", ErrKeyClosed)
	}
	sig, err := k.signer.Sign(random, digest, opts)
	if err == nil && k.verify {
		err = signature.Verify(k.Public(), digest, sig, opts)
	}
	if err != nil {
		sig = nil
	}
	return sig, k.fail("sign", err)
}

// SignMessage signs a message of any length: it hashes the message with
// opts.HashFunc and calls Sign.
func (k *Key) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if h := opts.HashFunc(); h != 0 {
		if !h.Available() {
			return nil, k.credential.fail("sign", fmt.Errorf("%w: hash %v", errors.ErrUnsupported, h))
		}
		d := h.New()
		d.Write(message)
		message = d.Sum(nil)
	}
	return k.Sign(random, message, opts)
}

// Decrypt decrypts an RSA ciphertext; see [piv.Key.Decrypt].
func (k *Key) Decrypt(random io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	if k.isClosed() {
		return nil, k.credential.fail("decrypt", ErrKeyClosed)
	}
	d, ok := k.ability().(crypto.Decrypter)
	if !ok {
		return nil, k.credential.fail("decrypt", errors.ErrUnsupported)
	}
	plain, err := d.Decrypt(random, ciphertext, opts)
	return plain, k.fail("decrypt", err)
}

// ECDH performs a Diffie-Hellman exchange with a peer's key; see [piv.Key.ECDH].
func (k *Key) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	if k.isClosed() {
		return nil, k.credential.fail("ECDH", ErrKeyClosed)
	}
	party, ok := k.ability().(interface {
		ECDH(*ecdh.PublicKey) ([]byte, error) // as ecdh.PrivateKey has it
	})
	if !ok {
		return nil, k.credential.fail("ECDH", errors.ErrUnsupported)
	}
	if peer == nil {
		return nil, k.credential.fail("ECDH", errors.New("no public key of the peer"))
	}
	secret, err := party.ECDH(peer)
	return secret, k.fail("ECDH", err)
}

// ability returns the signer for an assertion of more methods.
func (k *Key) ability() crypto.Signer {
	if key, ok := k.signer.(cardapp.Key); ok {
		return key.Signer
	}
	return k.signer
}

// fail returns an error of the signer.
func (k *Key) fail(op string, err error) error {
	if _, ok := k.signer.(cardapp.Key); ok {
		return inReader(k.credential.Reader, err)
	}
	return k.credential.fail(op, err)
}
