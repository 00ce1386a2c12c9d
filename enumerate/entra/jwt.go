package entra

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

var raw64 = base64.RawURLEncoding

// signingInput returns the first two parts of a JWS in compact form (RFC 7515, 7.1).
func signingInput(header, claims any) (string, []byte, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", nil, err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", nil, err
	}
	return raw64.EncodeToString(h) + "." + raw64.EncodeToString(payload), payload, nil
}

// x5cHeader is the header of a JWS with the certificates of its key (RFC 7515,
// 4.1.6).
type x5cHeader struct {
	Type      string   `json:"typ"`
	Algorithm string   `json:"alg"`
	X5C       [][]byte `json:"x5c"` // standard base64, as encoding/json has it
	KDF       int      `json:"kdf_ver,omitempty"`
}

// signRS256 signs claims with RSASSA-PKCS1-v1_5 and SHA-256. The signature is verified
// before it is returned: a card may have another key than the certificate.
func signRS256(key crypto.Signer, public *rsa.PublicKey, header x5cHeader, claims any) (string, error) {
	if len(header.X5C) == 0 {
		return "", errors.New("chain is empty")
	}
	input, _, err := signingInput(header, claims)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(input))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", err
	}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
		return "", errors.New("signature is not of the certificate's key")
	}
	return input + "." + raw64.EncodeToString(signature), nil
}

// signHS256 signs an input with HMAC.
func signHS256(key []byte, input string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return input + "." + raw64.EncodeToString(mac.Sum(nil))
}

// A jwe is a JWE in compact form (RFC 7516, 7.1).
type jwe struct {
	header struct {
		Algorithm  string `json:"alg"`
		Encryption string `json:"enc"`
		Context    []byte `json:"ctx"` // standard base64
		Zip        string `json:"zip"`
	}
	protected                             string
	encryptedKey, iv, ciphertext, authTag []byte
}

func parseJWE(text string) (j jwe, err error) {
	if len(text) > maxPage {
		return j, fmt.Errorf("%w: JWE has more than %d bytes", ErrFlow, maxPage)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 5 {
		return j, fmt.Errorf("%w: JWE has %d parts", ErrFlow, len(parts))
	}
	j.protected = parts[0]
	var header []byte
	for i, to := range []*[]byte{&header, &j.encryptedKey, &j.iv, &j.ciphertext, &j.authTag} {
		if *to, err = raw64.DecodeString(parts[i]); err != nil {
			return j, fmt.Errorf("%w: %w", ErrFlow, err)
		}
	}
	if err := json.Unmarshal(header, &j.header); err != nil {
		return j, fmt.Errorf("%w: %w", ErrFlow, err)
	}
	return j, nil
}

// open decrypts a JWE with A256GCM (RFC 7518, 5.3).
func (j jwe) open(key []byte) ([]byte, error) {
	if j.header.Encryption != "A256GCM" || j.header.Zip != "" || len(j.iv) != 12 || len(j.authTag) != 16 {
		return nil, fmt.Errorf("%w: JWE is not A256GCM", ErrFlow)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, j.iv, append(j.ciphertext, j.authTag...), []byte(j.protected))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFlow, err)
	}
	return plain, nil
}
