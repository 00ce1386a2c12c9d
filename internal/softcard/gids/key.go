package gids

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// An Algorithm is an algorithm identifier without its scheme.
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

// Schemes, the high half of an algorithm identifier. No recording has one of a key
// on a curve; schemeHashed without padding is assumed.
const (
	schemeRaw       = 0x00 // decipher: the host removes the padding
	schemeHashed    = 0x10 // sign: the host hashes and pads
	schemeUnpad     = 0x40 // decipher: PKCS #1 v1.5
	schemePad       = 0x50 // sign: PKCS #1 v1.5
	schemeUnpadOAEP = 0x80 // decipher: OAEP with SHA-1
)

// rsaBits maps the algorithms of RSA keys to the length of the modulus.
var rsaBits = map[Algorithm]int{RSA1024: 1024, RSA2048: 2048, RSA3072: 3072, RSA4096: 4096}

var curves = map[Algorithm]elliptic.Curve{P256: elliptic.P256(), P384: elliptic.P384(), P521: elliptic.P521()}

// algorithmOf returns the algorithm of a key, or 0.
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

// supportedKey returns a private key as a signer and its algorithm, or 0 for an
// unsupported key.
func supportedKey(private crypto.PrivateKey) (crypto.Signer, Algorithm) {
	switch k := private.(type) {
	case *rsa.PrivateKey:
		return k, algorithmOf(k.Public())
	case *ecdsa.PrivateKey:
		return k, algorithmOf(k.Public())
	}
	return nil, 0
}

// A key is the content of a key file: a container's private key or the
// administrator's key.
type key struct {
	private crypto.Signer
	admin   []byte
}

// Tags of control reference templates (ISO/IEC 7816-4, 10.3.2): the use of a key.
const (
	useAuthentication ber.Tag = 0xA4
	useSignature      ber.Tag = 0xB6
	useDecipherment   ber.Tag = 0xB8
)

// A template is a control reference template: one use that a key file allows.
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

// Usage qualifiers (ISO/IEC 7816-4, 10.3.3).
const (
	usageCompute = 0x40
	usageVerify  = 0x80
)

// appendTo appends the template to those of a key file.
func (t template) appendTo(dst []byte, id uint16) []byte {
	usage := byte(usageCompute)
	if t.use == useAuthentication {
		usage |= usageVerify
	}
	b := ber.Append(nil, tagAlgorithm, []byte{t.algorithm})
	b = ber.Append(b, tagReference, []byte{byte(id)})
	return ber.Append(dst, t.use, ber.Append(b, tagUsage, []byte{usage}))
}

// parseTemplates parses the templates of a key file. A template without an
// algorithm is ignored.
func parseTemplates(content []byte) (list []template) {
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

// algorithm returns the algorithm of a key file.
func (f *file) algorithm() Algorithm {
	return Algorithm(f.templates[0].algorithm & 0x0F)
}

// keyFile returns the key file of a key reference, or nil.
func (a *Application) keyFile(reference byte) *file {
	f := a.files[0xB000|uint16(reference)]
	if f == nil || f.kind != kindKey {
		return nil
	}
	return f
}

// publicKey processes GET DATA of the application for the public key of a key file.
func (a *Application) publicKey(request []byte) iso.Response {
	reference, ok, err := ber.Find(request, 0x84)
	if err != nil || !ok || len(reference) != 1 {
		return statusDataInvalid.Response()
	}
	f := a.keyFile(reference[0])
	if f == nil {
		return statusDataInvalid.Response()
	}
	if s := a.checkAccess(f, rightGet); s != iso.OK {
		return s.Response()
	}
	if f.key.private == nil {
		return iso.ReferenceNotFound.Response()
	}
	return iso.Data(iso.PublicKeyTemplate(f.key.private.Public(), ber.Append))
}
