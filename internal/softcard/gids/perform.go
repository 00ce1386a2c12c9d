package gids

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"math/big"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// An environment is a security environment: the key file that PERFORM SECURITY
// OPERATION uses, and how.
type environment struct {
	file   *file
	use    ber.Tag
	scheme byte
}

// P1 of MANAGE SECURITY ENVIRONMENT: SET for an operation of the card (ISO/IEC
// 7816-4).
const (
	setComputation  = 0x41 // computation or decipherment
	setVerification = 0x81 // external authentication
	setMutualAuth   = 0xC1 // mutual authentication
)

// manageSecurity processes MANAGE SECURITY ENVIRONMENT, which selects a key. A
// template of the key file must allow the use, and the access condition of use
// must be met. The algorithm must precede the key reference: the GidsApplet
// accepts either order, FreeRDP's card only this one.
func (a *Application) manageSecurity(c iso.Command) iso.Status {
	a.session.environment, a.session.authKey = environment{}, nil
	var alg, reference ber.Element
	r := ber.BER(c.Data)
	switch c.P1 {
	case setComputation:
		alg, _ = r.Take(0x80)
		reference, _ = r.Take(0x84)
	case setVerification, setMutualAuth:
		alg.Value = []byte{byte(TripleDES)}
		reference, _ = r.Take(0x83)
	default:
		return iso.NotSupported
	}
	if r.Close() != nil || len(alg.Value) != 1 || len(reference.Value) != 1 {
		return statusDataInvalid
	}
	f := a.keyFile(reference.Value[0])
	if f == nil || !slices.Contains(f.templates, template{ber.Tag(c.P2), alg.Value[0]}) {
		return statusDataInvalid
	}
	if s := a.checkAccess(f, rightUse); s != iso.OK {
		return s
	}
	if c.P1 == setComputation {
		a.session.environment = environment{f, ber.Tag(c.P2), alg.Value[0] & 0xF0}
		return iso.OK
	}
	if f.key.admin == nil {
		return statusDataInvalid
	}
	a.session.authKey = f
	return iso.OK
}

// P1 and P2 of PERFORM SECURITY OPERATION: tags of the response and of the data.
const (
	computeSignature = 0x9E9A
	decipher         = 0x8086
	decipherReversed = 0x8680
)

// perform processes PERFORM SECURITY OPERATION. The GidsApplet checks the access
// condition only when the key is selected; here it must still be met.
func (a *Application) perform(c iso.Command) iso.Response {
	var use ber.Tag
	switch op := c.P1P2(); {
	case op == computeSignature:
		use = useSignature
	case op == decipher, op == decipherReversed && a.config.Quirks.EitherDecipher:
		use = useDecipherment
	default:
		return iso.BadParameters.Response()
	}
	e := a.session.environment
	if e.file == nil || e.use != use || e.file.key.private == nil {
		return iso.ConditionsNotSatisfied.Response()
	}
	if s := a.checkAccess(e.file, rightUse); s != iso.OK {
		return s.Response()
	}
	if private, ok := e.file.key.private.(*rsa.PrivateKey); ok {
		r := performRSA(private, use, e.scheme, c.Data)
		if use == useDecipherment && e.scheme == schemeRaw && a.config.Quirks.StripsZero {
			r.Data = bytes.TrimLeft(r.Data, "\x00")
		}
		return r
	}
	if use != useSignature || e.scheme != schemeHashed {
		return iso.NotSupported.Response()
	}
	return signECDSA(e.file.key.private, c.Data)
}

// performRSA signs or deciphers. The data has the length of the modulus unless the
// card pads it.
func performRSA(private *rsa.PrivateKey, use ber.Tag, scheme byte, data []byte) iso.Response {
	size := private.Size()
	pads := use == useSignature && scheme == schemePad
	if pads && len(data) > size-11 || !pads && len(data) != size {
		return iso.WrongLength.Response()
	}
	var result []byte
	var err error
	ok := true
	switch {
	case pads:
		result, ok = iso.Exponentiate(private, padSignature(size, data))
	case use == useSignature && scheme == schemeHashed, use == useDecipherment && scheme == schemeRaw:
		result, ok = iso.Exponentiate(private, data)
	case use == useDecipherment && scheme == schemeUnpad:
		result, err = rsa.DecryptPKCS1v15(nil, private, data)
	case use == useDecipherment && scheme == schemeUnpadOAEP:
		result, err = rsa.DecryptOAEP(sha1.New(), nil, private, data, nil)
	default:
		return iso.NotSupported.Response()
	}
	if err != nil || !ok {
		return iso.BadData.Response()
	}
	return iso.Data(result)
}

// padSignature pads data of any kind to a block (RFC 8017, 9.2), which crypto/rsa
// does not do in FIPS-only mode.
func padSignature(size int, data []byte) []byte {
	block := bytes.Repeat([]byte{0xFF}, size)
	block[0], block[1] = 0x00, 0x01
	block[size-len(data)-1] = 0x00
	copy(block[size-len(data):], data)
	return block
}

// signECDSA signs a digest. The signature is two numbers of equal length.
func signECDSA(private crypto.Signer, digest []byte) iso.Response {
	curve := curves[algorithmOf(private.Public())]
	size := (curve.Params().BitSize + 7) / 8
	if len(digest) == 0 || len(digest) > size {
		return iso.WrongLength.Response()
	}
	signature, err := private.Sign(rand.Reader, digest, crypto.Hash(0))
	if err != nil {
		return iso.Failed.Response()
	}
	in := ber.DER(signature)
	sequence, _ := in.Take(ber.Sequence)
	in = sequence.Inside()
	var numbers []byte
	for range 2 {
		number, _ := in.Take(ber.Integer)
		numbers = append(numbers, new(big.Int).SetBytes(number.Value).FillBytes(make([]byte, size))...)
	}
	return iso.Data(numbers)
}
