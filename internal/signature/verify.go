// Package signature verifies signatures that a card has made.
package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
)

// Verify reports whether the signature is valid for the public key and for the
// digest and options passed to crypto.Signer. RSA is PKCS #1 v1.5 or, with
// *rsa.PSSOptions, PSS; ECDSA is in DER; for Ed25519, digest is the message.
func Verify(public crypto.PublicKey, digest, signature []byte, opts crypto.SignerOpts) bool {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if pss, ok := opts.(*rsa.PSSOptions); ok {
			return rsa.VerifyPSS(public, opts.HashFunc(), digest, signature, pss) == nil
		}
		return rsa.VerifyPKCS1v15(public, opts.HashFunc(), digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(public, digest, signature)
	}
	return false
}
