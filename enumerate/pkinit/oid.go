package pkinit

import (
	"crypto"
	_ "crypto/sha1" // paChecksum (RFC 4556, 3.2.1), and signatures if asked for
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"
)

// Object identifiers, encoded.
const (
	oidSignedData    = "\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02" // 1.2.840.113549.1.7.2 (RFC 5652, 5.1)
	oidContentType   = "\x2A\x86\x48\x86\xF7\x0D\x01\x09\x03" // 1.2.840.113549.1.9.3 (RFC 5652, 11.1)
	oidMessageDigest = "\x2A\x86\x48\x86\xF7\x0D\x01\x09\x04" // 1.2.840.113549.1.9.4 (RFC 5652, 11.2)
	oidAuthData      = "\x2B\x06\x01\x05\x02\x03\x01"         // 1.3.6.1.5.2.3.1 (RFC 4556, 3.1.1)
	oidDHKeyData     = "\x2B\x06\x01\x05\x02\x03\x02"         // 1.3.6.1.5.2.3.2
	oidKDCPurpose    = "\x2B\x06\x01\x05\x02\x03\x05"         // 1.3.6.1.5.2.3.5 (RFC 4556, 3.2.4)
	oidAnyPurpose    = "\x55\x1D\x25\x00"                     // 2.5.29.37.0 (RFC 5280, 4.2.1.12)
	oidPKINITName    = "\x2B\x06\x01\x05\x02\x02"             // 1.3.6.1.5.2.2 (RFC 4556, 3.2.4)
	oidDH            = "\x2A\x86\x48\xCE\x3E\x02\x01"         // 1.2.840.10046.2.1 (RFC 3279, 2.3.3)
	oidRSA           = "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01" // 1.2.840.113549.1.1.1 (RFC 3370, 3.2)
)

// A hashFunction is a digest with its identifiers.
type hashFunction struct {
	hash               crypto.Hash
	digest, rsa, ecdsa string
}

// hashFunctions are those of CMS signatures (RFC 5754; SHA-1: RFC 3370).
var hashFunctions = []hashFunction{
	{crypto.SHA256, "\x60\x86\x48\x01\x65\x03\x04\x02\x01", "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B", "\x2A\x86\x48\xCE\x3D\x04\x03\x02"},
	{crypto.SHA384, "\x60\x86\x48\x01\x65\x03\x04\x02\x02", "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0C", "\x2A\x86\x48\xCE\x3D\x04\x03\x03"},
	{crypto.SHA512, "\x60\x86\x48\x01\x65\x03\x04\x02\x03", "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0D", "\x2A\x86\x48\xCE\x3D\x04\x03\x04"},
	{crypto.SHA1, "\x2B\x0E\x03\x02\x1A", "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x05", "\x2A\x86\x48\xCE\x3D\x04\x01"},
}

func byHash(h crypto.Hash) (hashFunction, bool) {
	for _, f := range hashFunctions {
		if f.hash == h {
			return f, true
		}
	}
	return hashFunction{}, false
}

func byDigest(id string) (hashFunction, bool) {
	for _, f := range hashFunctions {
		if f.digest == id {
			return f, true
		}
	}
	return hashFunction{}, false
}

// checkSHA1 returns an error in FIPS 140-only mode, which does not allow SHA-1. Each
// request has a checksum with it (RFC 4556, 3.2.1).
func checkSHA1() error {
	if _, err := crypto.SHA1.New().Write([]byte{0}); err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return nil
}

func sum(h crypto.Hash, data ...[]byte) []byte {
	w := h.New()
	for _, d := range data {
		w.Write(d)
	}
	return w.Sum(nil)
}

// kdfs are the key derivation functions of RFC 8636, 4, most wanted first.
var kdfs = []struct {
	id   string
	hash crypto.Hash
}{
	{"\x2B\x06\x01\x05\x02\x03\x06\x02", crypto.SHA256},
	{"\x2B\x06\x01\x05\x02\x03\x06\x04", crypto.SHA384},
	{"\x2B\x06\x01\x05\x02\x03\x06\x03", crypto.SHA512},
}
