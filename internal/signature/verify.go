// Package signature checks what a private key that is out of reach has made.
package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
)

// Verify reports whether a signature is one of the public key over what
// crypto.Signer calls the digest, made with the same options: RSA by PKCS #1 v1.5
// or, with *rsa.PSSOptions, by PSS; ECDSA in DER; Ed25519 over the digest as the
// message.
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
