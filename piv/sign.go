package piv

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/internal/rsapad"
	"github.com/smartlogon/smartlogon/internal/signature"
)

// Sign signs a digest: with RSA by PKCS #1 v1.5 or, if opts is a *[rsa.PSSOptions],
// by PSS. With Ed25519 the digest is the message itself and opts.HashFunc() is zero,
// as in [ed25519.PrivateKey.Sign]. random is used for PSS only.
//
// The signature is verified before it is returned. If it does not belong to the
// public key, the error wraps [ErrMismatch].
func (k *Key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s, err := k.sign(random, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("piv: sign with %v: %w", k.slot, err)
	}
	return s, nil
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

// sign encodes the digest, has the card apply the key, and verifies the result.
func (k *Key) sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	block, err := k.encode(random, digest, opts)
	if err != nil {
		return nil, err
	}
	s, err := k.authenticate(tagChallenge, block)
	if err != nil {
		return nil, err
	}
	restored := s
	if public, ok := k.public.(*rsa.PublicKey); ok {
		restored = rsapad.Restore(public, s)
	}
	err = signature.Verify(k.public, digest, restored, opts)
	switch {
	case err == nil:
		return restored, nil
	case !errors.Is(err, ErrMismatch):
		return nil, err
	case !signature.IsWellFormed(k.public, s):
		return nil, malformed(fmt.Sprintf("signature of %d bytes", len(s)))
	case signature.IsOfFixedLength(k.public, digest, s, fixedLength):
		return nil, errFixedLength
	}
	return nil, ErrMismatch
}

// fixedLength is the length of every message that some cards sign with Ed25519,
// whatever they are given.
const fixedLength = 32

var errFixedLength = fixedLengthError{fmt.Errorf("%w: the card signs only messages of %d bytes with Ed25519", errors.ErrUnsupported, fixedLength)}

type fixedLengthError struct{ error }

func (e fixedLengthError) Unwrap() error { return e.error }

func (fixedLengthError) Reach() fault.Reach { return fault.Object }

func (fixedLengthError) Hint() string {
	return "Use a key of another algorithm, or update the firmware of the card."
}

// encode returns what the card is given to sign. It pads for RSA: the card only
// computes the private operation.
func (k *Key) encode(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	hash := opts.HashFunc()
	if hash != 0 && len(digest) != hash.Size() {
		return nil, fmt.Errorf("digest of %d bytes is not one of %v", len(digest), hash)
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return rsapad.Pad(random, public, digest, opts)
	case *ecdsa.PublicKey:
		// The leftmost bits are signed, as many as the curve has (FIPS 186-5,
		// 6.4.1).
		size := (public.Curve.Params().BitSize + 7) / 8
		block := make([]byte, size)
		if len(digest) < size {
			copy(block[size-len(digest):], digest)
		} else {
			copy(block, digest)
		}
		return block, nil
	case ed25519.PublicKey:
		if o, ok := opts.(*ed25519.Options); hash != 0 || ok && o.Context != "" {
			return nil, fmt.Errorf("%w: the card signs messages with Ed25519, not digests or in a context", errors.ErrUnsupported)
		}
		return digest, nil
	}
	return nil, fmt.Errorf("%w: a %T does not sign", errors.ErrUnsupported, k.public)
}
