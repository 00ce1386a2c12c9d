package piv

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/internal/rsapad"
	"github.com/smartlogon/smartlogon/internal/signature"
)

// Sign signs a digest, with RSA by PKCS #1 v1.5 or, if opts is a
// *[rsa.PSSOptions], by PSS. With Ed25519 the digest is the message itself, and
// opts.HashFunc() is zero, as in [ed25519.PrivateKey.Sign]. Randomness for PSS
// comes from random, nothing else needs it.
//
// The signature is checked before it is returned. If it is not one of the
// public key, the error wraps [ErrMismatch].
func (k *Key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	made, err := k.sign(random, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("piv: sign with %v: %w", k.slot, err)
	}
	return made, nil
}

// SignMessage signs a message, hashed as opts says. With Ed25519 the message is
// signed as it is ([crypto.MessageSigner]).
func (k *Key) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if h := opts.HashFunc(); h != 0 {
		if !h.Available() {
			return nil, fmt.Errorf("piv: sign with %v: %w: hash %v", k.slot, errors.ErrUnsupported, h)
		}
		d := h.New()
		d.Write(message)
		message = d.Sum(nil)
	}
	return k.Sign(random, message, opts)
}

func (k *Key) sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	hash := opts.HashFunc()
	if hash != 0 && len(digest) != hash.Size() {
		return nil, fmt.Errorf("digest of %d bytes is not one of %v", len(digest), hash)
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return k.signRSA(random, public, digest, opts)
	case *ecdsa.PublicKey:
		// The leftmost bits count, and the card takes as many as its curve
		// has (FIPS 186-5, 6.4.1).
		size := (public.Curve.Params().BitSize + 7) / 8
		block := make([]byte, size)
		if len(digest) < size {
			copy(block[size-len(digest):], digest)
		} else {
			copy(block, digest)
		}
		return k.made(digest, opts, block)
	case ed25519.PublicKey:
		if o, ok := opts.(*ed25519.Options); hash != 0 || ok && o.Context != "" {
			return nil, fmt.Errorf("%w: the card signs messages with Ed25519, not digests or in a context", errors.ErrUnsupported)
		}
		return k.made(digest, opts, digest)
	}
	return nil, fmt.Errorf("%w: a %T does not sign", errors.ErrUnsupported, k.public)
}

// signRSA pads the digest: the card only raises to the private exponent.
func (k *Key) signRSA(random io.Reader, public *rsa.PublicKey, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	block, err := rsapad.Pad(random, public, digest, opts)
	if err != nil {
		return nil, err
	}
	return k.made(digest, opts, block)
}

// made has the card make a signature of a block, and checks what it is of.
func (k *Key) made(digest []byte, opts crypto.SignerOpts, block []byte) ([]byte, error) {
	made, err := k.authenticate(tagChallenge, block)
	if err != nil {
		return nil, err
	}
	if !signature.Verify(k.public, digest, made, opts) {
		return nil, ErrMismatch
	}
	return made, nil
}
