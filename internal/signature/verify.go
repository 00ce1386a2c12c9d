// Package signature verifies signatures that a card has made.
package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Verify verifies a signature under the public key, for the digest and options
// passed to crypto.Signer. RSA is PKCS #1 v1.5 or, with *rsa.PSSOptions, PSS; ECDSA is
// in DER; for Ed25519, digest is the message.
//
// An invalid signature is [ErrMismatch]. The error wraps [errors.ErrUnsupported]
// where crypto/rsa does not verify, such as SHA-1 in FIPS 140-only mode: that says
// nothing about the key.
func Verify(public crypto.PublicKey, digest, signature []byte, opts crypto.SignerOpts) error {
	valid := false
	switch public := public.(type) {
	case *rsa.PublicKey:
		err := verifyRSA(public, digest, signature, opts)
		if err != nil && !errors.Is(err, rsa.ErrVerification) {
			return fmt.Errorf("%w: signature cannot be verified: %w", errors.ErrUnsupported, err)
		}
		valid = err == nil
	case *ecdsa.PublicKey:
		valid = ecdsa.VerifyASN1(public, digest, signature)
	case ed25519.PublicKey:
		valid = ed25519.Verify(public, digest, signature)
	}
	if !valid {
		return ErrMismatch
	}
	return nil
}

func verifyRSA(public *rsa.PublicKey, digest, signature []byte, opts crypto.SignerOpts) error {
	if pss, ok := opts.(*rsa.PSSOptions); ok {
		return rsa.VerifyPSS(public, opts.HashFunc(), digest, signature, pss)
	}
	return rsa.VerifyPKCS1v15(public, opts.HashFunc(), digest, signature)
}

// IsWellFormed reports whether a signature has the form of those of the public key. One
// that has not proves nothing about the key that made it.
func IsWellFormed(public crypto.PublicKey, signature []byte) bool {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return len(signature) == public.Size()
	case *ecdsa.PublicKey:
		r := ber.DER(signature)
		sequence, _ := r.Take(ber.Sequence)
		if r.Close() != nil {
			return false
		}
		r = ber.DER(sequence.Value)
		r.Take(ber.Integer)
		r.Take(ber.Integer)
		return r.Close() == nil
	case ed25519.PublicKey:
		return len(signature) == ed25519.SignatureSize
	}
	return false
}

// IsOfFixedLength reports whether an Ed25519 signature is valid for the first n bytes of
// a message, or for a shorter one with zeros added.
func IsOfFixedLength(public crypto.PublicKey, message, signature []byte, n int) bool {
	key, ok := public.(ed25519.PublicKey)
	if !ok || len(message) == n {
		return false
	}
	fixed := make([]byte, n)
	copy(fixed, message)
	return ed25519.Verify(key, fixed, signature)
}
