package gids

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// An Algorithm is an algorithm identifier, the way to use it not counted in.
type Algorithm byte

// Algorithms of keys.
const (
	TripleDES Algorithm = 0x02
	RSA1024   Algorithm = 0x06
	RSA2048   Algorithm = 0x07
	RSA3072   Algorithm = 0x08
	RSA4096   Algorithm = 0x09
	P256      Algorithm = 0x0C
	P384      Algorithm = 0x0D
	P521      Algorithm = 0x0E
)

// Ways to use a key, the high half of an identifier.
const (
	wayRaw      = 0x00 // decipher: the block as it is
	wayHashed   = 0x10 // sign: what the host has hashed and padded
	wayUnpad    = 0x40 // decipher: PKCS #1 v1.5
	wayPad      = 0x50 // sign: PKCS #1 v1.5
	wayUnpadOAP = 0x80 // decipher: OAEP
)

var rsaBits = map[Algorithm]int{RSA1024: 1024, RSA2048: 2048, RSA3072: 3072, RSA4096: 4096}

var curves = map[Algorithm]elliptic.Curve{P256: elliptic.P256(), P384: elliptic.P384(), P521: elliptic.P521()}

// AlgorithmOf is the identifier for a key, 0 where there is none.
func AlgorithmOf(public crypto.PublicKey) Algorithm {
	switch k := public.(type) {
	case *rsa.PublicKey:
		for alg, bits := range rsaBits {
			if k.N.BitLen() == bits {
				return alg
			}
		}
	case *ecdsa.PublicKey:
		for alg, curve := range curves {
			if k.Curve == curve {
				return alg
			}
		}
	}
	return 0
}

// A key is what a key file holds: the key of a container or the administrator's.
type key struct {
	private crypto.PrivateKey
	admin   []byte
}

// Tags of control reference templates (ISO/IEC 7816-4, 10.3.2): what a key is for.
const (
	forAuthentication ber.Tag = 0xA4
	forSignature      ber.Tag = 0xB6
	forDecipherment   ber.Tag = 0xB8
)

// A template is one thing that a key may be used for.
type template struct {
	use       ber.Tag
	algorithm byte
}

// maxTemplates bounds those of a file.
const maxTemplates = 16

func readTemplates(content []byte) (list []template) {
	r := ber.BER(content)
	for len(list) < maxTemplates {
		e, ok := r.Next()
		if !ok {
			break
		}
		if alg, ok, _ := ber.Find(e.Value, 0x80); ok && len(alg) == 1 {
			list = append(list, template{e.Tag, alg[0]})
		}
	}
	return list
}

// algorithm is the one of a key file, as its templates say.
func (f *file) algorithm() Algorithm {
	if len(f.templates) == 0 {
		return 0
	}
	return Algorithm(f.templates[0].algorithm & 0x0F)
}

// keyFile is the file of a key reference, nil where there is none.
func (a *Application) keyFile(reference byte) *file {
	f := a.files[0xB000|uint16(reference)]
	if f == nil || f.kind != kindKey {
		return nil
	}
	return f
}

// publicKey answers GET DATA for the public half of a key.
func (a *Application) publicKey(request []byte) iso.Answer {
	reference, ok, err := ber.Find(request, 0x84)
	if err != nil || !ok || len(reference) != 1 {
		return iso.BadData.Answer()
	}
	f := a.keyFile(reference[0])
	switch {
	case f == nil:
		return iso.ReferenceNotFound.Answer()
	case !a.may(f.rights, rightGet):
		return iso.SecurityNotSatisfied.Answer()
	}
	signer, ok := f.key.private.(crypto.Signer)
	if !ok {
		return iso.ReferenceNotFound.Answer()
	}
	return iso.Data(encodePublic(signer.Public()))
}

func encodePublic(public crypto.PublicKey) []byte {
	var b []byte
	switch k := public.(type) {
	case *rsa.PublicKey:
		b = ber.Append(nil, 0x81, k.N.Bytes())
		e := []byte{byte(k.E >> 24), byte(k.E >> 16), byte(k.E >> 8), byte(k.E)}
		for e[0] == 0 {
			e = e[1:]
		}
		b = ber.Append(b, 0x82, e)
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return nil
		}
		b = ber.Append(nil, 0x86, point)
	}
	return ber.Append(nil, tagPublicKey, b)
}

// generate answers GENERATE ASYMMETRIC KEY PAIR.
func (a *Application) generate(c iso.Command) iso.Answer {
	request, ok, err := ber.Find(c.Data, 0xAC)
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters.Answer()
	}
	if err != nil || !ok {
		return iso.BadData.Answer()
	}
	alg, hasAlg, _ := ber.Find(request, 0x80)
	reference, hasRef, _ := ber.Find(request, 0x83)
	if !hasAlg || !hasRef || len(alg) != 1 || len(reference) != 1 {
		return iso.BadData.Answer()
	}
	f := a.keyFile(reference[0])
	switch want := Algorithm(alg[0]); {
	case f == nil:
		return dataInvalid.Answer()
	case !a.may(f.rights, rightNew):
		return iso.SecurityNotSatisfied.Answer()
	case rsaBits[want] == 0 && curves[want] == nil:
		return iso.NotSupported.Answer()
	case f.algorithm() != want:
		return dataInvalid.Answer()
	}
	private, err := a.make(Algorithm(alg[0]))
	if err != nil {
		return iso.Failed.Answer()
	}
	f.key = key{private: private}
	return a.publicKey(ber.Append(nil, 0x84, reference))
}

func (a *Application) make(alg Algorithm) (crypto.PrivateKey, error) {
	if a.config.Generate != nil {
		return a.config.Generate(alg)
	}
	if curve := curves[alg]; curve != nil {
		return ecdsa.GenerateKey(curve, rand.Reader)
	}
	return rsa.GenerateKey(rand.Reader, rsaBits[alg])
}

// importKey answers PUT DATA of a key: its reference, then what it is.
func (a *Application) importKey(data []byte) iso.Status {
	request, ok, err := ber.Find(data, tagKey)
	if err != nil || !ok {
		return dataInvalid
	}
	reference, hasRef, _ := ber.Find(request, 0x84)
	content, hasKey, _ := ber.Find(request, 0xA5)
	if !hasRef || !hasKey || len(reference) != 1 {
		return dataInvalid
	}
	f := a.keyFile(reference[0])
	switch {
	case f == nil:
		return iso.ReferenceNotFound
	case !a.may(f.rights, rightPut):
		return iso.SecurityNotSatisfied
	}
	value, ok, _ := ber.Find(content, 0x87)
	if !ok {
		return dataInvalid
	}
	if f.algorithm() == TripleDES {
		if len(value) != 24 {
			return dataInvalid
		}
		f.key = key{admin: slices.Clone(value)} // its check value, tag 88, nobody checks
		return iso.OK
	}
	private, err := readPrivateKey(value)
	if err != nil || AlgorithmOf(&private.PublicKey) != f.algorithm() {
		return dataInvalid
	}
	f.key = key{private: private}
	return iso.OK
}

// readPrivateKey reads an RSAPrivateKey (RFC 8017, A.1.2). Its numbers are taken as
// positive: OpenSC leaves out the byte of zeros that would make them so.
func readPrivateKey(der []byte) (*rsa.PrivateKey, error) {
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
	n, e, d, p, q := numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
	if err := in.Err(); err != nil || n.BitLen() > 4096 || e.BitLen() > 31 || p.Sign() == 0 || q.Sign() == 0 {
		return nil, errors.New("no key")
	}
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
	if err := private.Validate(); err != nil {
		return nil, err
	}
	private.Precompute()
	return private, nil
}
