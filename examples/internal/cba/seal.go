package cba

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"
)

// maxSealed is the length of the longest sealed text that is opened.
const maxSealed = 64 << 10

// errSealed is the error for every sealed text that is not accepted. It does not say
// why, which helps only an attacker.
var errSealed = errors.New("sealed text is malformed, forged, expired, or for another purpose")

// A Sealer encrypts and authenticates state that travels through a client
// (AES-256-GCM). Each purpose has a key of its own, so a text that was sealed for one
// purpose cannot be opened for another.
type Sealer struct {
	key []byte
	now func() time.Time
}

// NewSealer returns a Sealer with a key of 32 random bytes. Instances with the same
// key open each other's texts.
func NewSealer(key []byte, now func() time.Time) (*Sealer, error) {
	if len(key) != 32 {
		return nil, errors.New("cba: seal key must have 32 bytes")
	}
	return &Sealer{key, now}, nil
}

// sealedState is the plaintext.
type sealedState struct {
	ID      string          `json:"id"`
	Expires int64           `json:"exp"`
	Data    json.RawMessage `json:"data"`
}

func (s *Sealer) aead(purpose string) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, s.key, nil, "smartlogon cba "+purpose, 32)
	if err != nil {
		panic("cba: " + err.Error())
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("cba: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("cba: " + err.Error())
	}
	return aead
}

// Seal seals the JSON of data. It is valid for a time and has a random identifier.
func (s *Sealer) Seal(purpose string, data any, valid time.Duration) (text, id string) {
	content, err := json.Marshal(data)
	if err != nil {
		panic("cba: " + err.Error()) // the types of this package have JSON
	}
	id = rand.Text()
	plain, err := json.Marshal(sealedState{id, s.now().Add(valid).Unix(), content})
	if err != nil {
		panic("cba: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(s.aead(purpose).Seal(nil, nil, plain, nil)), id
}

// Opened is a sealed text that was opened.
type Opened struct {
	ID      string
	Expires time.Time
}

// Open opens a text into data.
func (s *Sealer) Open(purpose, text string, data any) (Opened, error) {
	if len(text) > maxSealed {
		return Opened{}, errSealed
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Opened{}, errSealed
	}
	plain, err := s.aead(purpose).Open(nil, nil, sealed, nil)
	if err != nil {
		return Opened{}, errSealed
	}
	var state sealedState
	if err := json.Unmarshal(plain, &state); err != nil {
		return Opened{}, errSealed
	}
	expires := time.Unix(state.Expires, 0)
	if !s.now().Before(expires) || json.Unmarshal(state.Data, data) != nil {
		return Opened{}, errSealed
	}
	return Opened{state.ID, expires}, nil
}
