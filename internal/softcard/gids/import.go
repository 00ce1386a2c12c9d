package gids

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Values in the import of a key.
const (
	keyKindRSA   = 0x02
	notEncrypted = 0x00
)

// importKey processes PUT DATA of a key: its reference and its content. Keys on
// curves are refused, as no recording has the import of one.
func (a *Application) importKey(data []byte) iso.Status {
	request, ok, err := ber.Find(data, tagKey)
	if err != nil || !ok {
		return statusDataInvalid
	}
	reference, _, _ := ber.Find(request, 0x84)
	content, ok, _ := ber.Find(request, 0xA5)
	if !ok || len(reference) != 1 {
		return statusDataInvalid
	}
	f := a.keyFile(reference[0])
	if f == nil {
		return statusDataInvalid
	}
	if s := a.checkAccess(f, rightPut); s != iso.OK {
		return s
	}
	kind, _, _ := ber.Find(content, 0x83)
	encryption, present, _ := ber.Find(content, 0x84)
	value, _, _ := ber.Find(content, 0x87)
	switch {
	case present && !bytes.Equal(encryption, []byte{notEncrypted}):
		return iso.NotSupported
	case f.algorithm() == TripleDES && len(value) == adminKeySize:
		f.key = key{admin: slices.Clone(value)} // the key check value, tag 88, is ignored
		return iso.OK
	case f.algorithm() == TripleDES, !bytes.Equal(kind, []byte{keyKindRSA}):
		return statusDataInvalid
	}
	private, err := parsePrivateKey(value)
	if err != nil || algorithmOf(&private.PublicKey) != f.algorithm() {
		return statusDataInvalid
	}
	f.key = key{private: private}
	return iso.OK
}

// maxRSA bounds every number of an RSA key, in bits.
const maxRSA = 4096

// parsePrivateKey parses an RSAPrivateKey (RFC 8017, A.1.2). Its numbers are read
// as unsigned: OpenSC omits the leading zero byte of a positive INTEGER.
func parsePrivateKey(der []byte) (*rsa.PrivateKey, error) {
	r := ber.BER(der)
	sequence, _ := r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return nil, err
	}
	var numbers [6]*big.Int // version, modulus, two exponents, two primes
	in := sequence.Inside()
	for i := range numbers {
		e, _ := in.Take(ber.Integer)
		numbers[i] = new(big.Int).SetBytes(e.Value)
	}
	if in.Err() != nil || numbers[0].Sign() != 0 {
		return nil, errors.New("gids: private key: malformed or not of two primes")
	}
	n, e, d, p, q := numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
	if n.BitLen() > maxRSA || e.BitLen() > 31 || d.BitLen() > maxRSA || p.BitLen() > maxRSA || q.BitLen() > maxRSA {
		return nil, errors.New("gids: private key: number too long")
	}
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
	if err := private.Validate(); err != nil {
		return nil, err
	}
	private.Precompute()
	return private, nil
}
