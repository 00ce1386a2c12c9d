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

// Decrypt decrypts with an RSA key. opts is nil or *[rsa.PKCS1v15DecryptOptions]
// for PKCS #1 v1.5, *[rsa.OAEPOptions] for OAEP. For invalid ciphertext it returns
// [rsa.ErrDecryption], or a random key if opts has a SessionKeyLen, and does not
// reveal what is invalid ([crypto.Decrypter]).
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
		return nil, fmt.Errorf("%w: %T does not decrypt", errors.ErrUnsupported, k.public)
	}
	unpad, err := rsapad.Unpadding(random, opts)
	if err != nil {
		return nil, err
	}
	if len(ciphertext) != public.Size() {
		return nil, rsa.ErrDecryption
	}
	attempts := decryptAttempts(ciphertext, opts)
	response, padding, err := k.useFirst(operationDecrypt, attempts...)
	if err == nil && padding == hostUnpads {
		block := rsapad.Restore(public, response)
		defer clear(block)
		if rsapad.EncryptsTo(public, block, ciphertext) {
			return unpad(block)
		}
		if len(response) != public.Size() && len(attempts) > 1 {
			clear(response) // some cards remove the padding all the same
			response, padding, err = k.useFirst(operationDecrypt, attempts[1:]...)
		}
	}
	defer func() { clear(response) }()
	switch {
	case errors.Is(err, errCardUnpad):
		return unpad(make([]byte, public.Size())) // a block without any padding
	case err != nil:
		return nil, err
	case len(response) == 0:
		return nil, malformed("response to the decryption is empty")
	case padding == cardUnpadsOAEP:
		return bytes.Clone(response), nil
	case padding == cardUnpads:
		if len(response) > public.Size()-11 {
			return nil, malformed("message of %d bytes from a key of %d", len(response), public.Size())
		}
		// Padded again, so that the same code checks the message in every case.
		block := rsapad.Block(public.Size(), rsapad.Encrypted, response)
		defer clear(block)
		return unpad(block)
	case len(response) != public.Size():
		return nil, malformed("result of decryption of %d bytes, not %d", len(response), public.Size())
	}
	return nil, signature.ErrMismatch
}

// decryptAttempts returns the attempts for a ciphertext. The padded block comes first:
// it can be checked under the public key, and the host removes the padding in
// constant time and without a status that reveals whether it was valid. Neither is
// possible where the card removes it.
func decryptAttempts(ciphertext []byte, opts crypto.DecrypterOpts) []attempt {
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
