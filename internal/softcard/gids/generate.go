package gids

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// generate processes GENERATE ASYMMETRIC KEY PAIR and returns the public key.
func (a *Application) generate(c iso.Command) iso.Response {
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters.Response()
	}
	request, ok, err := ber.Find(c.Data, 0xAC)
	alg, _, _ := ber.Find(request, 0x80)
	reference, _, _ := ber.Find(request, 0x83)
	if err != nil || !ok || len(alg) != 1 || len(reference) != 1 {
		return statusDataInvalid.Response()
	}
	f := a.keyFile(reference[0])
	if f == nil {
		return statusDataInvalid.Response()
	}
	if s := a.checkAccess(f, rightNew); s != iso.OK {
		return s.Response()
	}
	switch want := Algorithm(alg[0]); {
	case rsaBits[want] == 0 && curves[want] == nil:
		return iso.NotSupported.Response()
	case f.algorithm() != want:
		return statusDataInvalid.Response()
	}
	private, err := a.newKey(f.algorithm())
	if err != nil {
		return iso.Failed.Response()
	}
	f.key = key{private: private}
	return a.publicKey(ber.Append(nil, 0x84, reference))
}

// newKey returns a new key. Config.Generate must return one with the algorithm
// alg.
func (a *Application) newKey(alg Algorithm) (crypto.Signer, error) {
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
	signer, got := supportedKey(private)
	if got != alg {
		return nil, fmt.Errorf("gids: Config.Generate returned a key for algorithm %02X instead of %02X", byte(got), byte(alg))
	}
	return signer, nil
}
