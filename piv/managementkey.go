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

// ErrManagementKey says that a card did not take the management key, or could
// not prove to have it.
var ErrManagementKey = fault.New(fault.Object,
	"management key is not the one of the card",
	"Use the management key that the card was given, with its algorithm; a new YubiKey has 3DES, from firmware 5.7 on AES-192.",
)

// A ManagementKey is the key of the card's administrator (reference 9B, SP
// 800-73-4 part 1, table 4b). It cannot be printed, logged or marshalled. The
// zero value is none.
type ManagementKey struct {
	algorithm Algorithm
	secret    *managementSecret // shared by copies, so that zeroing reaches all of them
}

type managementSecret struct{ key []byte }

// NewManagementKey takes a key over: the caller does not use it afterwards. The
// algorithm is [TripleDES] or [AES192] with 24 bytes, [AES128] with 16 or
// [AES256] with 32.
func NewManagementKey(a Algorithm, key []byte) (ManagementKey, error) {
	want := managementKeySize(a)
	switch {
	case want == 0:
		return ManagementKey{}, fmt.Errorf("piv: %v is no algorithm of management keys", a)
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

// Destroy zeroes the key, all copies of it included.
func (k ManagementKey) Destroy() {
	if k.secret != nil {
		clear(k.secret.key)
		k.secret.key = nil
	}
}

// Algorithm is what the key is for.
func (k ManagementKey) Algorithm() Algorithm { return k.algorithm }

// String is always "management key".
func (k ManagementKey) String() string { return "management key" }

// Format prints "management key", whatever the verb.
func (k ManagementKey) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// LogValue is always "management key".
func (k ManagementKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText fails: a key is not to be stored or sent by accident.
func (k ManagementKey) MarshalText() ([]byte, error) {
	return nil, errors.New("piv: a management key cannot be marshalled")
}

// cipher fails for the zero value, and for a key that was destroyed.
func (k ManagementKey) cipher() (cipher.Block, error) {
	if k.secret == nil || k.secret.key == nil {
		return nil, fmt.Errorf("%w: there is none", ErrManagementKey)
	}
	if k.algorithm == TripleDES {
		return des.NewTripleDESCipher(k.secret.key)
	}
	return aes.NewCipher(k.secret.key)
}

// The elements of a template that only administrators exchange (SP 800-73-4 part
// 2, table 7).
const tagWitness ber.Tag = 0x80

const managementReference = 0x9B

// authenticate proves to the card that we have the key, and has the card prove
// it to us (SP 800-73-4 part 2, A.1: mutual authentication).
func (k ManagementKey) authenticate(tx *card.Tx) error {
	block, err := k.cipher()
	if err != nil {
		return err
	}
	witness, err := k.exchange(tx, tagWitness, ber.Append(nil, tagWitness, nil))
	switch {
	case errors.Is(err, card.StatusWrongData), errors.Is(err, card.StatusWrongParameters):
		return fmt.Errorf("%w: the card has another algorithm than %v, or none: %v", ErrManagementKey, k.algorithm, err)
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
	answer, err := k.exchange(tx, tagResponse, ber.Append(template, tagResponse, nil))
	if errors.Is(err, card.StatusNotPermitted) {
		return fmt.Errorf("%w: %v", ErrManagementKey, err)
	}
	if err != nil {
		return err
	}
	block.Encrypt(challenge, challenge)
	if subtle.ConstantTimeCompare(answer, challenge) != 1 {
		return fmt.Errorf("%w: the card did not prove that it has it", ErrManagementKey)
	}
	return nil
}

// exchange is one step of the authentication: what to send in the template, and
// the tag of the element that is wanted back.
func (k ManagementKey) exchange(tx *card.Tx, want ber.Tag, template []byte) ([]byte, error) {
	answer, err := tx.Command(card.Command{
		INS: 0x87, P1: byte(k.algorithm), P2: managementReference,
		Data:   ber.Append(nil, tagTemplate, template),
		Ne:     256,
		Secret: true,
	})
	if err != nil {
		return nil, err
	}
	return inTemplate(answer, want)
}

// abandon ends the authentication, as far as the card lets one: a new one that
// is begun and not ended leaves nobody authenticated (SP 800-73-4 part 2, 3.2.4).
func (k ManagementKey) abandon(tx *card.Tx) {
	_, _ = k.exchange(tx, tagWitness, ber.Append(nil, tagWitness, nil)) // what was done is done
}
