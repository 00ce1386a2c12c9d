package gids

import (
	"bytes"
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

// Ways to use a key, the high half of an identifier. For keys on curves none was seen;
// wayHashed, without any padding then, is the plainest reading.
const (
	wayRaw       = 0x00 // decipher: the block as it is
	wayHashed    = 0x10 // sign: what the host has hashed and padded
	wayUnpad     = 0x40 // decipher: PKCS #1 v1.5
	wayPad       = 0x50 // sign: PKCS #1 v1.5
	wayUnpadOAEP = 0x80 // decipher: OAEP with SHA-1
)

var rsaBits = map[Algorithm]int{RSA1024: 1024, RSA2048: 2048, RSA3072: 3072, RSA4096: 4096}

var curves = map[Algorithm]elliptic.Curve{P256: elliptic.P256(), P384: elliptic.P384(), P521: elliptic.P521()}

// algorithmOf is the identifier for a key, 0 where there is none.
func algorithmOf(public crypto.PublicKey) Algorithm {
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

// usable is a key that the application can use, and its identifier: 0 for any other.
func usable(private crypto.PrivateKey) (crypto.Signer, Algorithm) {
	switch k := private.(type) {
	case *rsa.PrivateKey:
		return k, algorithmOf(k.Public())
	case *ecdsa.PrivateKey:
		return k, algorithmOf(k.Public())
	}
	return nil, 0
}

// A key is what a key file holds: the key of a container or the administrator's.
type key struct {
	private crypto.Signer
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

// Tags in a template.
const (
	tagAlgorithm ber.Tag = 0x80
	tagReference ber.Tag = 0x83
	tagUsage     ber.Tag = 0x95
)

// Usage qualifiers (ISO/IEC 7816-4, 10.3.3): what the card does with the key.
const (
	usageCompute = 0x40
	usageVerify  = 0x80
)

// appendTo adds the template as it stands among the parameters of a key file.
func (t template) appendTo(dst []byte, id uint16) []byte {
	usage := byte(usageCompute)
	if t.use == forAuthentication {
		usage |= usageVerify
	}
	b := ber.Append(nil, tagAlgorithm, []byte{t.algorithm})
	b = ber.Append(b, tagReference, []byte{byte(id)})
	return ber.Append(dst, t.use, ber.Append(b, tagUsage, []byte{usage}))
}

// readTemplates reads what a key may be used for. What names no algorithm is none.
func readTemplates(content []byte) (list []template) {
	r := ber.BER(content)
	for {
		e, ok := r.Next()
		if !ok {
			return list
		}
		if alg, ok, _ := ber.Find(e.Value, tagAlgorithm); ok && len(alg) == 1 {
			list = append(list, template{e.Tag, alg[0]})
		}
	}
}

// algorithm is the one of a key file, as its templates say.
func (f *file) algorithm() Algorithm {
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
		return dataInvalid.Answer()
	}
	f := a.keyFile(reference[0])
	if f == nil {
		return dataInvalid.Answer()
	}
	if s := a.permits(f, rightGet); s != iso.OK {
		return s.Answer()
	}
	if f.key.private == nil {
		return iso.ReferenceNotFound.Answer()
	}
	return iso.Data(encodePublic(f.key.private.Public()))
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
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters.Answer()
	}
	request, ok, err := ber.Find(c.Data, 0xAC)
	alg, _, _ := ber.Find(request, 0x80)
	reference, _, _ := ber.Find(request, 0x83)
	if err != nil || !ok || len(alg) != 1 || len(reference) != 1 {
		return dataInvalid.Answer()
	}
	f := a.keyFile(reference[0])
	if f == nil {
		return dataInvalid.Answer()
	}
	if s := a.permits(f, rightNew); s != iso.OK {
		return s.Answer()
	}
	switch want := Algorithm(alg[0]); {
	case rsaBits[want] == 0 && curves[want] == nil:
		return iso.NotSupported.Answer()
	case f.algorithm() != want:
		return dataInvalid.Answer()
	}
	made, err := a.make(f.algorithm())
	if err != nil {
		return iso.Failed.Answer()
	}
	f.key = key{private: made}
	return a.publicKey(ber.Append(nil, 0x84, reference))
}

// make makes a key. One of another kind, from Config.Generate, is an error.
func (a *Application) make(alg Algorithm) (crypto.Signer, error) {
	var private crypto.PrivateKey
	var err error
	switch curve := curves[alg]; {
	case a.config.Generate != nil:
		private, err = a.config.Generate(alg)
	case curve != nil:
		private, err = ecdsa.GenerateKey(curve, rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits[alg])
	}
	if err != nil {
		return nil, err
	}
	made, is := usable(private)
	if is != alg {
		return nil, errors.New("this is a key of another kind")
	}
	return made, nil
}

// Kinds of keys that are brought.
const (
	keyKindRSA   = 0x02
	notEncrypted = 0x00
)

// importKey answers PUT DATA of a key: its reference, then what it is. A key on a
// curve cannot be brought: how is not known.
func (a *Application) importKey(data []byte) iso.Status {
	request, ok, err := ber.Find(data, tagKey)
	if err != nil || !ok {
		return dataInvalid
	}
	reference, _, _ := ber.Find(request, 0x84)
	content, ok, _ := ber.Find(request, 0xA5)
	if !ok || len(reference) != 1 {
		return dataInvalid
	}
	f := a.keyFile(reference[0])
	if f == nil {
		return dataInvalid
	}
	if s := a.permits(f, rightPut); s != iso.OK {
		return s
	}
	kind, _, _ := ber.Find(content, 0x83)
	encrypted, hidden, _ := ber.Find(content, 0x84)
	value, _, _ := ber.Find(content, 0x87)
	switch {
	case hidden && !bytes.Equal(encrypted, []byte{notEncrypted}):
		return iso.NotSupported
	case f.algorithm() == TripleDES && len(value) == adminKeySize:
		f.key = key{admin: slices.Clone(value)} // its check value, tag 88, nobody checks
		return iso.OK
	case f.algorithm() == TripleDES, !bytes.Equal(kind, []byte{keyKindRSA}):
		return dataInvalid
	}
	private, err := readPrivateKey(value)
	if err != nil || algorithmOf(&private.PublicKey) != f.algorithm() {
		return dataInvalid
	}
	f.key = key{private: private}
	return iso.OK
}

// maxRSA bounds every number of an RSA key, in bits.
const maxRSA = 4096

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
	if in.Err() != nil || numbers[0].Sign() != 0 {
		return nil, errors.New("this is no key with two primes")
	}
	n, e, d, p, q := numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
	if n.BitLen() > maxRSA || e.BitLen() > 31 || d.BitLen() > maxRSA || p.BitLen() > maxRSA || q.BitLen() > maxRSA {
		return nil, errors.New("a number of the key is too long")
	}
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
	if err := private.Validate(); err != nil {
		return nil, err
	}
	private.Precompute()
	return private, nil
}
