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

// Sign signs a digest. RSA keys sign by PKCS #1 v1.5 or, if opts is a
// *[rsa.PSSOptions], by PSS. random is used for the salt of PSS only.
//
// The signature is verified under the public key before it is returned. If that
// fails, the error wraps [signature.ErrMismatch].
func (k *Key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sig, err := k.sign(random, digest, opts)
	if err == nil {
		sig, err = k.check(sig, digest, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("gids: sign with the key of %s: %w", k.name, err)
	}
	return sig, nil
}

// check verifies a signature and returns it in the form of package crypto.
func (k *Key) check(sig, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	restored := sig
	if public, ok := k.public.(*rsa.PublicKey); ok {
		restored = rsapad.Restore(public, sig)
	}
	err := signature.Verify(k.public, digest, restored, opts)
	switch {
	case err == nil:
		return restored, nil
	case errors.Is(err, signature.ErrMismatch) && !signature.IsWellFormed(k.public, sig):
		return nil, malformed("signature of %d bytes", len(sig))
	}
	return nil, err
}

func (k *Key) sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	hash := opts.HashFunc()
	if hash != 0 && len(digest) != hash.Size() {
		return nil, fmt.Errorf("digest of %d bytes, %v has %d", len(digest), hash, hash.Size())
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return k.signRSA(random, public, digest, opts)
	case *ecdsa.PublicKey:
		return k.signECDSA(public, digest)
	}
	return nil, fmt.Errorf("%w: %T does not sign", errors.ErrUnsupported, k.public)
}

// signRSA lets the card pad if it can, as Windows does. Cards cannot pad for PSS.
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
	sig, _, err := k.useFirst(operationSign, attempts...)
	return sig, err
}

// signECDSA signs as RSA keys do when the host pads. That is an assumption, and so is
// the form of the signature: two integers of equal length, or DER.
func (k *Key) signECDSA(public *ecdsa.PublicKey, digest []byte) ([]byte, error) {
	size := (public.Curve.Params().BitSize + 7) / 8
	sig, _, err := k.useFirst(operationSign, attempt{hostPads, digest[:min(len(digest), size)]})
	if err != nil || len(sig) != 2*size {
		return sig, err
	}
	integers := appendInteger(nil, sig[:size])
	integers = appendInteger(integers, sig[size:])
	return ber.Append(nil, ber.Sequence, integers), nil
}

// appendInteger appends an unsigned big-endian number as a DER INTEGER.
func appendInteger(dst, number []byte) []byte {
	for len(number) > 1 && number[0] == 0 {
		number = number[1:]
	}
	if number[0]&0x80 != 0 {
		number = append([]byte{0}, number...)
	}
	return ber.Append(dst, ber.Integer, number)
}
