package challenge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"

	_ "crypto/sha256" // the hash functions of the algorithms
	_ "crypto/sha512"
)

// An algorithm is a signature scheme. Its number is part of the signed statement.
type algorithm byte

const (
	rsaPKCS1    algorithm = 1 // RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2)
	rsaPSS      algorithm = 2 // RSASSA-PSS with SHA-256 twice and 32 bytes of salt (RFC 8017, 8.1)
	ecdsaP256   algorithm = 3 // ECDSA on P-256 with SHA-256 (FIPS 186-5, 6)
	ecdsaP384   algorithm = 4 // ECDSA on P-384 with SHA-384
	ecdsaP521   algorithm = 5 // ECDSA on P-521 with SHA-512
	pureEd25519 algorithm = 6 // Ed25519 of the message, not of a hash (RFC 8032, 5.1)
)

var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

// algorithmFor returns the algorithm that a key signs with. An RSA key signs with
// PKCS #1 v1.5, which every PIV and virtual smart card supports, unless pss is set.
func algorithmFor(public crypto.PublicKey, pss bool) (algorithm, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if pss {
			return rsaPSS, nil
		}
		return rsaPKCS1, nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return ecdsaP256, nil
		case elliptic.P384():
			return ecdsaP384, nil
		case elliptic.P521():
			return ecdsaP521, nil
		}
	case ed25519.PublicKey:
		return pureEd25519, nil
	}
	return 0, errKeyKind
}

var errKeyKind = errors.New("key is none of RSA, ECDSA on P-256, P-384 or P-521, and Ed25519")

// fits reports whether a is the algorithm of a key.
func (a algorithm) fits(public crypto.PublicKey) bool {
	want, err := algorithmFor(public, a == rsaPSS)
	return err == nil && a == want
}

// hash returns the hash function of the message, or 0 for Ed25519.
func (a algorithm) hash() crypto.Hash {
	switch a {
	case rsaPKCS1, rsaPSS, ecdsaP256:
		return crypto.SHA256
	case ecdsaP384:
		return crypto.SHA384
	case ecdsaP521:
		return crypto.SHA512
	}
	return 0
}

// sign returns the signature of message by key.
func (a algorithm) sign(key crypto.Signer, message []byte) ([]byte, error) {
	switch a {
	case pureEd25519:
		// SignMessage lets a card hash the message itself. Other keys get the
		// message, as the hash is 0.
		return crypto.SignMessage(key, rand.Reader, message, crypto.Hash(0))
	case rsaPSS:
		return key.Sign(rand.Reader, a.digest(message), pssOptions)
	}
	return key.Sign(rand.Reader, a.digest(message), a.hash())
}

// verify reports whether public, which fits a, verifies a signature of message.
func (a algorithm) verify(public crypto.PublicKey, message, signature []byte) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if a == rsaPSS {
			return rsa.VerifyPSS(key, crypto.SHA256, a.digest(message), signature, pssOptions) == nil
		}
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, a.digest(message), signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, a.digest(message), signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, signature)
	}
	return false
}

func (a algorithm) digest(message []byte) []byte {
	h := a.hash().New()
	h.Write(message)
	return h.Sum(nil)
}
