package gids

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/internal/rsapad"
	"github.com/smartlogon/smartlogon/internal/signature"
)

// Decrypt decrypts with an RSA key. Opts is nil or *[rsa.PKCS1v15DecryptOptions]
// for PKCS #1 v1.5, *[rsa.OAEPOptions] for OAEP. Ciphertext that is not what it
// should be gives [rsa.ErrDecryption], or a random key where a SessionKeyLen is
// asked for, and no hint at what is wrong with it ([crypto.Decrypter]).
func (k *Key) Decrypt(random io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	plain, err := k.decrypt(random, ciphertext, opts)
	if err != nil {
		return nil, fmt.Errorf("gids: decrypt with the key of %s: %w", k.name, err)
	}
	return plain, nil
}

func (k *Key) decrypt(random io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	public, ok := k.public.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: a %T does not decrypt", errors.ErrUnsupported, k.public)
	}
	unpad, err := rsapad.Unpadding(random, opts)
	if err != nil {
		return nil, err
	}
	if len(ciphertext) != public.Size() {
		return nil, rsa.ErrDecryption
	}
	all := ways(ciphertext, opts)
	answer, way, err := k.try(decrypts, all...)
	if err == nil && way == hostUnpads && len(answer) != public.Size() && len(all) > 1 {
		clear(answer) // whatever the card does in this way, it is not what it should be
		answer, way, err = k.try(decrypts, all[1:]...)
	}
	defer func() { clear(answer) }()
	switch {
	case errors.Is(err, errInput):
		return unpad(make([]byte, public.Size())) // what was never padded
	case err != nil:
		return nil, err
	case way == cardUnpadsOAEP:
		return bytes.Clone(answer), nil
	case way == cardUnpads:
		if len(answer) > public.Size()-11 {
			return nil, malformed("message of %d bytes from a key of %d", len(answer), public.Size())
		}
		block := rsapad.Block(public.Size(), rsapad.Encrypted, answer) // so that one piece of code decides what a message may be
		defer clear(block)
		return unpad(block)
	case !rsapad.EncryptsTo(public, answer, ciphertext):
		return nil, signature.ErrMismatch
	}
	return unpad(answer)
}

// ways are those to decrypt in. The block as it is comes first: it can be checked
// under the public key, and be unpadded without telling anybody by time or status
// whether there was a padding. What the card unpads can neither.
func ways(ciphertext []byte, opts crypto.DecrypterOpts) []attempt {
	host := attempt{hostUnpads, ciphertext}
	o, ok := opts.(*rsa.OAEPOptions)
	switch {
	case !ok:
		return []attempt{host, {cardUnpads, ciphertext}}
	case o.Hash != crypto.SHA1 || o.MGFHash != 0 && o.MGFHash != crypto.SHA1 || len(o.Label) > 0:
		return []attempt{host}
	}
	return []attempt{host, {cardUnpadsOAEP, ciphertext}}
}
