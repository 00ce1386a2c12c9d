package piv

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// ErrManagementKey means that the card refused the management key, or did not prove
// that it has the same.
var ErrManagementKey = fault.New(fault.Object,
	"management key is not that of the card",
	"Use the management key of the card and its algorithm; a new YubiKey has 3DES, from firmware 5.7 on AES-192.",
)

// A ManagementKey is the key that an administrator authenticates with (reference 9B,
// SP 800-73-4 part 1, table 4b). It cannot be printed, logged or marshalled. The zero
// value holds none.
type ManagementKey struct {
	algorithm Algorithm
	secret    *managementSecret // shared by copies, so that zeroing reaches all of them
}

type managementSecret struct{ key []byte }

// NewManagementKey returns key as a ManagementKey. The caller must not use key
// afterwards. The algorithm is [TripleDES] or [AES192] with 24 bytes, [AES128] with 16
// or [AES256] with 32.
//
// New cards mostly have the bytes 1 to 8, three times, for 3DES, or for AES-192 on a
// YubiKey from firmware 5.7 on.
func NewManagementKey(a Algorithm, key []byte) (ManagementKey, error) {
	want := managementKeySize(a)
	switch {
	case want == 0:
		return ManagementKey{}, fmt.Errorf("piv: %v is not an algorithm of management keys", a)
	case len(key) != want:
		return ManagementKey{}, fmt.Errorf("piv: management key for %v has %d bytes, not %d", a, want, len(key))
	}
	return ManagementKey{a, &managementSecret{key}}, nil
}

func managementKeySize(a Algorithm) int {
	switch a {
	case AES128:
		return 16
	case TripleDES, AES192:
		return 24
	case AES256:
		return 32
	}
	return 0
}

// Destroy zeroes the key and all copies of it.
func (k ManagementKey) Destroy() {
	if k.secret != nil {
		clear(k.secret.key)
		k.secret.key = nil
	}
}

// Algorithm returns the algorithm of the key.
func (k ManagementKey) Algorithm() Algorithm { return k.algorithm }

// String returns "management key".
func (k ManagementKey) String() string { return "management key" }

// Format prints "management key", whatever the verb.
func (k ManagementKey) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// LogValue returns "management key".
func (k ManagementKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText fails: a key must not be stored or sent.
func (k ManagementKey) MarshalText() ([]byte, error) {
	return nil, errors.New("piv: a management key cannot be marshalled")
}

// cipher returns the cipher of the key. It fails for the zero value and after Destroy.
func (k ManagementKey) cipher() (cipher.Block, error) {
	if k.secret == nil || k.secret.key == nil {
		return nil, fmt.Errorf("%w: it is zero or destroyed", ErrManagementKey)
	}
	if k.algorithm == TripleDES {
		return des.NewTripleDESCipher(k.secret.key)
	}
	return aes.NewCipher(k.secret.key)
}

// tagWitness is an element of a dynamic authentication template (SP 800-73-4 part 2,
// table 7).
const tagWitness ber.Tag = 0x80

const managementReference = 0x9B

// authenticate performs mutual authentication with the card (SP 800-73-4 part 2, A.1).
func (k ManagementKey) authenticate(tx *card.Tx) error {
	block, err := k.cipher()
	if err != nil {
		return err
	}
	witness, err := k.exchange(tx, tagWitness, ber.Append(nil, tagWitness, nil))
	switch {
	case errors.Is(err, card.StatusWrongData), errors.Is(err, card.StatusWrongParameters):
		return fmt.Errorf("%w: the card does not accept %v: %w", ErrManagementKey, k.algorithm, err)
	case err != nil:
		return err
	case len(witness) != block.BlockSize():
		return malformed(fmt.Sprintf("witness of %d bytes", len(witness)))
	}
	block.Decrypt(witness, witness)
	challenge := make([]byte, block.BlockSize())
	rand.Read(challenge) // never fails
	template := ber.Append(nil, tagWitness, witness)
	template = ber.Append(template, tagChallenge, challenge)
	// An empty element 82 is not asked for: some cards take it for the other kind
	// of authentication, which authenticates nothing.
	response, err := k.exchange(tx, tagResponse, template)
	block.Encrypt(challenge, challenge)
	switch {
	case errors.As(err, new(card.Status)): // cards differ in which
		return fmt.Errorf("%w: %w", ErrManagementKey, err)
	case err == nil && subtle.ConstantTimeCompare(response, challenge) == 1:
		return nil
	case err == nil:
		err = fmt.Errorf("%w: the card did not prove that it has it", ErrManagementKey)
	case errors.Is(err, errEmptyResponse):
		err = fmt.Errorf("%w: %w", errNoProof, err)
	}
	if isObjectError(err) {
		k.endAuthentication(tx) // the card may have accepted the key
	}
	return err
}

// errNoProof means that the card accepted the management key without proof that it has
// the same. It may be another card than the administrator means, and a key that is
// imported would be in its hands.
var errNoProof = fault.New(fault.Object,
	"card accepts the management key but does not prove that it has the same",
	"Administer this card with the program of its vendor.",
)

// exchange sends one template of the authentication and returns the element want of
// the response.
func (k ManagementKey) exchange(tx *card.Tx, want ber.Tag, template []byte) ([]byte, error) {
	response, err := tx.Command(card.Command{
		INS: 0x87, P1: byte(k.algorithm), P2: managementReference,
		Data:   ber.Append(nil, tagTemplate, template),
		Ne:     256,
		Secret: true,
	})
	if err != nil {
		return nil, err
	}
	return inTemplate(response, want)
}

// endAuthentication begins another authentication and leaves it unfinished, which
// ends the one before (SP 800-73-4 part 2, 3.2.4). Errors do not matter: the command
// was performed before.
func (k ManagementKey) endAuthentication(tx *card.Tx) {
	_, _ = k.exchange(tx, tagWitness, ber.Append(nil, tagWitness, nil))
}
