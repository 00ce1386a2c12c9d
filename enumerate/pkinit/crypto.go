package pkinit

import (
	"crypto"
	"errors"
	"fmt"

	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
)

const sha1Hash = crypto.SHA1

// An encryptionType is one of RFC 3962 and RFC 8009.
type encryptionType struct {
	keySize, macSize int
	checksumType     int32
}

// encryptionTypes has what the client offers: AES only.
var encryptionTypes = map[int32]encryptionType{
	17: {keySize: 16, macSize: 12, checksumType: 15}, // aes128-cts-hmac-sha1-96
	18: {keySize: 32, macSize: 12, checksumType: 16}, // aes256-cts-hmac-sha1-96
	19: {keySize: 16, macSize: 16, checksumType: 19}, // aes128-cts-hmac-sha256-128
	20: {keySize: 32, macSize: 24, checksumType: 20}, // aes256-cts-hmac-sha384-192
}

// etypes is the order in which the client offers them. Not every Windows KDC has
// the newer two.
var etypes = []int32{18, 17, 20, 19}

// Key usage numbers (RFC 4120, 7.5.1; RFC 6806, 11).
const (
	usageTGSReqChecksum = 6
	usageTGSReqAuth     = 7
	usageASRep          = 3
	usageTGSRep         = 8
	usageASReqChecksum  = 56
)

const confounderSize = 16

func (e encryptedData) decrypt(key []byte, usage uint32) ([]byte, error) {
	et, ok := encryptionTypes[e.etype]
	if !ok {
		return nil, fmt.Errorf("%w: encryption type %d", ErrWeak, e.etype)
	}
	if len(key) != et.keySize {
		return nil, errors.New("key has another length")
	}
	// gokrb5 slices without these checks.
	if len(e.cipher) < confounderSize+et.macSize {
		return nil, errors.New("ciphertext is too short")
	}
	impl, err := krbcrypto.GetEtype(e.etype)
	if err != nil {
		return nil, err
	}
	return impl.DecryptMessage(key, e.cipher, usage)
}

func encrypt(etype int32, key, plaintext []byte, usage uint32) ([]byte, error) {
	impl, err := krbcrypto.GetEtype(etype)
	if err != nil {
		return nil, err
	}
	_, cipher, err := impl.EncryptMessage(key, plaintext, usage)
	return cipher, err
}

func checksum(etype int32, key, data []byte, usage uint32) ([]byte, error) {
	impl, err := krbcrypto.GetEtype(etype)
	if err != nil {
		return nil, err
	}
	return impl.GetChecksumHash(key, data, usage)
}
