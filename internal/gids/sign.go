package gids

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/rsapad"
	"github.com/smartlogon/smartlogon/internal/signature"
)

// Sign signs a digest, with RSA by PKCS #1 v1.5 or, if opts is a
// *[rsa.PSSOptions], by PSS. Randomness for PSS comes from random, nothing else
// needs it.
//
// The signature is checked before it is returned. If it is not one of the public
// key, the error wraps [signature.ErrMismatch].
func (k *Key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	made, err := k.sign(random, digest, opts)
	if err == nil && !signature.Verify(k.public, digest, made, opts) {
		err = signature.ErrMismatch
	}
	if err != nil {
		return nil, fmt.Errorf("gids: sign with the key of %s: %w", k.name, err)
	}
	return made, nil
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
		return k.signECDSA(public, digest)
	}
	return nil, fmt.Errorf("%w: a %T does not sign", errors.ErrUnsupported, k.public)
}

// signRSA has the card pad where it can, as Windows does. There is no way to have
// it pad for PSS.
func (k *Key) signRSA(random io.Reader, public *rsa.PublicKey, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	var attempts []attempt
	if _, pss := opts.(*rsa.PSSOptions); pss {
		block, err := rsapad.Pad(random, public, digest, opts)
		if err != nil {
			return nil, err
		}
		attempts = []attempt{{hostPads, block}}
	} else {
		info, err := rsapad.DigestInfo(public.Size(), opts.HashFunc(), digest)
		if err != nil {
			return nil, err
		}
		attempts = []attempt{{cardPads, info}, {hostPads, rsapad.Block(public.Size(), rsapad.Signed, info)}}
	}
	made, _, err := k.try(signs, attempts...)
	return made, err
}

// signECDSA signs as RSA keys do where the host has hashed. That is assumed, and so
// is the form of the signature: two numbers of equal length, or DER.
func (k *Key) signECDSA(public *ecdsa.PublicKey, digest []byte) ([]byte, error) {
	size := (public.Curve.Params().BitSize + 7) / 8
	made, _, err := k.try(signs, attempt{hostPads, digest[:min(len(digest), size)]})
	if err != nil || len(made) != 2*size {
		return made, err
	}
	numbers := appendInteger(nil, made[:size])
	numbers = appendInteger(numbers, made[size:])
	return ber.Append(nil, ber.Sequence, numbers), nil
}

// appendInteger adds a number that is not negative.
func appendInteger(dst, number []byte) []byte {
	for len(number) > 1 && number[0] == 0 {
		number = number[1:]
	}
	if number[0]&0x80 != 0 {
		number = append([]byte{0}, number...)
	}
	return ber.Append(dst, ber.Integer, number)
}
