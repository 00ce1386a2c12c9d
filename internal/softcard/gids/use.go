package gids

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"errors"
	"math/big"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// An environment is which key is to be used next, and how.
type environment struct {
	file *file
	use  ber.Tag
	way  byte
}

// P1 of MANAGE SECURITY ENVIRONMENT: who is to compute.
const (
	cardComputes = 0x41
	cardVerifies = 0x81
	both         = 0xC1
)

// manageSecurity answers MANAGE SECURITY ENVIRONMENT: it chooses a key. The key must
// be one for such use, and the PIN is asked for here already. That the algorithm
// stands in front of the key is asked for too: GidsApplet takes either order,
// FreeRDP's card only this one.
func (a *Application) manageSecurity(c iso.Command) iso.Status {
	a.now.environment, a.now.chosen = environment{}, nil
	var alg, reference ber.Element
	r := ber.BER(c.Data)
	switch c.P1 {
	case cardComputes:
		alg, _ = r.Take(0x80)
		reference, _ = r.Take(0x84)
	case cardVerifies, both:
		alg.Value = []byte{byte(TripleDES)}
		reference, _ = r.Take(0x83)
	default:
		return iso.NotSupported
	}
	if r.Close() != nil || len(alg.Value) != 1 || len(reference.Value) != 1 {
		return dataInvalid
	}
	f := a.keyFile(reference.Value[0])
	if f == nil || !slices.Contains(f.templates, template{ber.Tag(c.P2), alg.Value[0]}) {
		return dataInvalid
	}
	if s := a.permits(f, rightUse); s != iso.OK {
		return s
	}
	if c.P1 == cardComputes {
		a.now.environment = environment{f, ber.Tag(c.P2), alg.Value[0] & 0xF0}
		return iso.OK
	}
	if f.key.admin == nil {
		return dataInvalid
	}
	a.now.chosen = f
	return iso.OK
}

// P1 and P2 of PERFORM SECURITY OPERATION: what comes out, what goes in.
const (
	signs           = 0x9E9A
	deciphers       = 0x8086
	decipherSwapped = 0x8680
)

// perform answers PERFORM SECURITY OPERATION. GidsApplet asks for the PIN only when
// the key is chosen; here it must be verified still.
func (a *Application) perform(c iso.Command) iso.Answer {
	var use ber.Tag
	switch op := uint16(c.P1)<<8 | uint16(c.P2); {
	case op == signs:
		use = forSignature
	case op == deciphers, op == decipherSwapped && a.config.Quirks.EitherDecipher:
		use = forDecipherment
	default:
		return iso.BadParameters.Answer()
	}
	e := a.now.environment
	if e.file == nil || e.use != use || e.file.key.private == nil {
		return iso.ConditionsNotSatisfied.Answer()
	}
	if s := a.permits(e.file, rightUse); s != iso.OK {
		return s.Answer()
	}
	if private, ok := e.file.key.private.(*rsa.PrivateKey); ok {
		return performRSA(private, use, e.way, c.Data)
	}
	if use != forSignature || e.way != wayHashed {
		return iso.NotSupported.Answer()
	}
	return signECDSA(e.file.key.private, c.Data)
}

// performRSA signs or deciphers. How long data have to be, the way says.
func performRSA(private *rsa.PrivateKey, use ber.Tag, way byte, data []byte) iso.Answer {
	size := private.Size()
	pads := use == forSignature && way == wayPad
	if pads && len(data) > size-11 || !pads && len(data) != size {
		return iso.WrongLength.Answer()
	}
	var answer []byte
	var err error
	switch {
	case pads:
		answer, err = rsa.SignPKCS1v15(nil, private, 0, data)
	case use == forSignature && way == wayHashed, use == forDecipherment && way == wayRaw:
		answer, err = raw(private, data)
	case use == forDecipherment && way == wayUnpad:
		answer, err = rsa.DecryptPKCS1v15(nil, private, data)
	case use == forDecipherment && way == wayUnpadOAEP:
		answer, err = rsa.DecryptOAEP(sha1.New(), nil, private, data, nil)
	default:
		return iso.NotSupported.Answer()
	}
	if err != nil {
		return iso.BadData.Answer()
	}
	return iso.Data(answer)
}

// raw raises a block to the private exponent.
func raw(private *rsa.PrivateKey, data []byte) ([]byte, error) {
	block := new(big.Int).SetBytes(data)
	if block.Cmp(private.N) >= 0 {
		return nil, errors.New("the block is larger than the modulus")
	}
	return block.Exp(block, private.D, private.N).FillBytes(make([]byte, len(data))), nil
}

// signECDSA signs a digest. It answers with two numbers of equal length.
func signECDSA(private crypto.Signer, digest []byte) iso.Answer {
	curve := curves[algorithmOf(private.Public())]
	size := (curve.Params().BitSize + 7) / 8
	if len(digest) == 0 || len(digest) > size {
		return iso.WrongLength.Answer()
	}
	made, err := private.Sign(rand.Reader, digest, crypto.Hash(0))
	if err != nil {
		return iso.Failed.Answer()
	}
	in := ber.DER(made)
	sequence, _ := in.Take(ber.Sequence)
	in = sequence.Inside()
	var out []byte
	for range 2 {
		number, _ := in.Take(ber.Integer)
		out = append(out, new(big.Int).SetBytes(number.Value).FillBytes(make([]byte, size))...)
	}
	return iso.Data(out)
}
