package gids

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/asn1"
	"math/big"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// An environment is which key is to be used next, and how.
type environment struct {
	use  ber.Tag
	file *file
	way  byte
}

// P1 of MANAGE SECURITY ENVIRONMENT: who is to compute.
const (
	cardComputes = 0x41
	cardVerifies = 0x81
	both         = 0xC1
)

// manageSecurity answers MANAGE SECURITY ENVIRONMENT. It checks all there is to
// check about the use.
func (a *Application) manageSecurity(c iso.Command) iso.Status {
	use := ber.Tag(c.P2)
	a.now.environment, a.now.adminChosen = environment{}, false
	switch {
	case use == forAuthentication && (c.P1 == cardVerifies || c.P1 == both):
		reference, ok, _ := ber.Find(c.Data, 0x83)
		if !ok || len(reference) != 1 {
			return dataInvalid
		}
		f := a.keyFile(reference[0])
		if f == nil || f.key.admin == nil {
			return dataInvalid
		}
		a.now.adminChosen = true
		return iso.OK
	case c.P1 != cardComputes || use != forSignature && use != forDecipherment:
		return iso.BadParameters
	}
	r := ber.BER(c.Data)
	alg, _ := r.Take(0x80)
	reference, _ := r.Take(0x84)
	if r.Close() != nil || len(alg.Value) != 1 || len(reference.Value) != 1 {
		return dataInvalid
	}
	f := a.keyFile(reference.Value[0])
	switch {
	case f == nil, !slices.Contains(f.templates, template{use, alg.Value[0]}):
		return dataInvalid
	case !a.may(f.rights, rightUse):
		return iso.SecurityNotSatisfied
	}
	a.now.environment = environment{use, f, alg.Value[0] & 0xF0}
	return iso.OK
}

// perform answers PERFORM SECURITY OPERATION.
func (a *Application) perform(c iso.Command) iso.Answer {
	e := a.now.environment
	var use ber.Tag
	switch uint16(c.P1)<<8 | uint16(c.P2) {
	case 0x9E9A:
		use = forSignature
	case 0x8086:
		use = forDecipherment
	default:
		return iso.BadParameters.Answer()
	}
	switch {
	case e.file == nil || e.use != use:
		return iso.ConditionsNotSatisfied.Answer()
	case !a.may(e.file.rights, rightUse):
		return iso.SecurityNotSatisfied.Answer()
	}
	var answer []byte
	var ok bool
	switch private := e.file.key.private.(type) {
	case nil:
		return iso.ConditionsNotSatisfied.Answer()
	case *rsa.PrivateKey:
		answer, ok = performRSA(private, e.way, c.Data)
	case *ecdsa.PrivateKey:
		answer, ok = signECDSA(private, c.Data)
	}
	if !ok {
		return iso.BadData.Answer()
	}
	return iso.Data(answer)
}

func performRSA(private *rsa.PrivateKey, way byte, data []byte) ([]byte, bool) {
	size := private.Size()
	switch way {
	case wayPad:
		made, err := rsa.SignPKCS1v15(nil, private, 0, data)
		return made, err == nil
	case wayUnpad:
		plain, err := rsa.DecryptPKCS1v15(nil, private, data)
		return plain, err == nil
	case wayUnpadOAP:
		plain, err := rsa.DecryptOAEP(sha1.New(), nil, private, data, nil)
		return plain, err == nil
	}
	block := new(big.Int).SetBytes(data)
	if len(data) != size || block.Cmp(private.N) >= 0 {
		return nil, false
	}
	return block.Exp(block, private.D, private.N).FillBytes(make([]byte, size)), true
}

// signECDSA answers with two numbers of equal length.
func signECDSA(private *ecdsa.PrivateKey, digest []byte) ([]byte, bool) {
	size := (private.Curve.Params().BitSize + 7) / 8
	if len(digest) == 0 || len(digest) > size {
		return nil, false
	}
	made, err := private.Sign(rand.Reader, digest, crypto.Hash(0))
	if err != nil {
		return nil, false
	}
	var both struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(made, &both); err != nil {
		return nil, false
	}
	out := make([]byte, 2*size)
	both.R.FillBytes(out[:size])
	both.S.FillBytes(out[size:])
	return out, true
}
