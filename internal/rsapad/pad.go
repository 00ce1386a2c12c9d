// Package rsapad adds and removes RSA padding (RFC 8017) for keys on cards that
// perform only the raw private-key operation.
package rsapad

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// digestInfo is the DER prefix of a digest (RFC 8017, 9.2, note 1).
var digestInfo = map[crypto.Hash][]byte{
	crypto.SHA1:   {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14},
	crypto.SHA224: {0x30, 0x2D, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04, 0x05, 0x00, 0x04, 0x1C},
	crypto.SHA256: {0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
	crypto.SHA384: {0x30, 0x41, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
	crypto.SHA512: {0x30, 0x51, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
	0:             {}, // the caller adds the prefix, if any: TLS 1.0 signs MD5 and SHA-1 without one
}

// Pad returns the padded block for signing a digest: PKCS #1 v1.5 or, if opts is
// a *[rsa.PSSOptions], PSS with a salt from random.
func Pad(random io.Reader, public *rsa.PublicKey, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if pss, ok := opts.(*rsa.PSSOptions); ok {
		return padPSS(random, public, digest, pss)
	}
	return padPKCS1(public.Size(), opts.HashFunc(), digest)
}

// DigestInfo returns the content of a PKCS #1 v1.5 signature before padding, for a
// modulus of size bytes (RFC 8017, 9.2).
func DigestInfo(size int, hash crypto.Hash, digest []byte) ([]byte, error) {
	prefix, ok := digestInfo[hash]
	if !ok {
		return nil, fmt.Errorf("%w: PKCS #1 v1.5 with %v", errors.ErrUnsupported, hash)
	}
	if len(prefix)+len(digest) > size-11 {
		return nil, fmt.Errorf("digest of %d bytes is too long for the key", len(digest))
	}
	return slices.Concat(prefix, digest), nil
}

// padPKCS1 encodes by EMSA-PKCS1-v1_5 (RFC 8017, 9.2) for a modulus of size bytes.
func padPKCS1(size int, hash crypto.Hash, digest []byte) ([]byte, error) {
	info, err := DigestInfo(size, hash, digest)
	if err != nil {
		return nil, err
	}
	return Block(size, Signed, info), nil
}

// Block types of PKCS #1 v1.5 (RFC 8017, 7.2.1 and 9.2).
const (
	Signed    = 0x01
	Encrypted = 0x02
)

// Block pads content to a block of size bytes with FF. The content must be at
// least 11 bytes shorter than the block. Encryption needs random padding instead:
// for Encrypted, Block only restores the form of a block whose padding a card has
// removed.
func Block(size int, kind byte, content []byte) []byte {
	block := bytes.Repeat([]byte{0xFF}, size)
	block[0], block[1] = 0x00, kind
	block[size-len(content)-1] = 0x00
	copy(block[size-len(content):], content)
	return block
}

// padPSS encodes by EMSA-PSS (RFC 8017, 9.1.1), with MGF1 of the same hash.
func padPSS(random io.Reader, public *rsa.PublicKey, digest []byte, opts *rsa.PSSOptions) ([]byte, error) {
	hash := opts.HashFunc()
	if err := checkHash("PSS", hash); err != nil {
		return nil, err
	}
	bits := public.N.BitLen() - 1
	size := (bits + 7) / 8
	saltLength := opts.SaltLength
	switch saltLength {
	case rsa.PSSSaltLengthAuto:
		saltLength = size - hash.Size() - 2
	case rsa.PSSSaltLengthEqualsHash:
		saltLength = hash.Size()
	}
	if saltLength < 0 || size < hash.Size()+saltLength+2 {
		return nil, errors.New("key is too short for PSS with this hash and salt")
	}
	salt := make([]byte, saltLength)
	if random == nil {
		random = rand.Reader
	}
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, err
	}
	h := hash.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	h.Write(salt)
	sum := h.Sum(nil)

	masked := make([]byte, size) // DB || H || BC
	db := masked[:size-len(sum)-1]
	db[len(db)-saltLength-1] = 0x01
	copy(db[len(db)-saltLength:], salt)
	maskMGF1(hash, db, sum)
	db[0] &= 0xFF >> (8*size - bits)
	copy(masked[len(db):], sum)
	masked[size-1] = 0xBC

	block := make([]byte, public.Size())
	copy(block[len(block)-size:], masked)
	return block, nil
}

// checkHash returns an error if a scheme cannot use a hash. In FIPS 140-only mode,
// some hashes refuse Write and panic in Sum.
func checkHash(scheme string, hash crypto.Hash) error {
	if !hash.Available() {
		return fmt.Errorf("%w: %s with hash %v", errors.ErrUnsupported, scheme, hash)
	}
	if _, err := hash.New().Write(nil); err != nil {
		return fmt.Errorf("%w: %s with hash %v: %w", errors.ErrUnsupported, scheme, hash, err)
	}
	return nil
}

// maskMGF1 XORs data with the mask that MGF1 derives from seed (RFC 8017, B.2.1).
func maskMGF1(hash crypto.Hash, data, seed []byte) {
	for counter := uint32(0); len(data) > 0; counter++ {
		h := hash.New()
		h.Write(seed)
		h.Write(binary.BigEndian.AppendUint32(nil, counter))
		mask := h.Sum(nil)
		n := min(len(mask), len(data))
		for i := range n {
			data[i] ^= mask[i]
		}
		data = data[n:]
	}
}
