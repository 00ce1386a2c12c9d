package challenge

import (
	"crypto"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/internal/signature"
)

var (
	// ErrAudience results when a challenge is for another audience than the
	// one the client talks to. Somebody may be passing on a challenge of
	// another server to sign in there.
	ErrAudience = errors.New("challenge is for another audience")

	// ErrMismatch reports a key that does not belong to the certificate. It is
	// the same value as piv.ErrMismatch.
	ErrMismatch = signature.ErrMismatch
)

// Respond signs c with key and returns the answer for the server. cert is the
// certificate of key, in DER. audience is the server that the client means to
// talk to, from its own configuration or its address bar, never from c.
//
// The signed bytes are built here, so a server cannot have other data signed.
// Before the answer is returned, its signature is checked with the public key
// of the certificate.
//
// An RSA key signs with PKCS #1 v1.5, which all cards can do; see [PSS]. The
// error is [ErrAudience], [ErrMismatch], or wraps that of key.
func Respond(key crypto.Signer, cert []byte, c Challenge, audience string) (answer []byte, err error) {
	answer, err = respond(key, cert, &c, audience)
	if err != nil {
		return nil, fmt.Errorf("challenge: %w", err)
	}
	return answer, nil
}

func respond(key crypto.Signer, der []byte, c *Challenge, audience string) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Audience != audience {
		return nil, fmt.Errorf("%w: %.64q, not %.64q", ErrAudience, c.Audience, audience)
	}
	pub, err := cert.PublicKey(der)
	if err != nil {
		return nil, err
	}
	key, pss := unwrapPSS(key)
	// A key that is known to be the wrong one is not asked: a card counts
	// tries, and its owner would type a PIN for nothing.
	if own, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(pub) {
		return nil, ErrMismatch
	}
	how, err := algorithmFor(pub, pss)
	if err != nil {
		return nil, err
	}
	text := message(how, der, c)
	signature, err := how.sign(key, text)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if !how.verify(pub, text, signature) {
		return nil, fmt.Errorf("%w: it returned a signature of %d bytes that does not verify", ErrMismatch, len(signature))
	}
	return answer{algorithm: how, cert: der, signature: signature}.marshal()
}

// PSS makes [Respond] sign with RSASSA-PSS where key is an RSA key. Use it
// where a rule forbids PKCS #1 v1.5 and the card can do it.
func PSS(key crypto.Signer) crypto.Signer { return pssKey{key} }

type pssKey struct{ crypto.Signer }

func unwrapPSS(key crypto.Signer) (crypto.Signer, bool) {
	if p, ok := key.(pssKey); ok {
		return p.Signer, true
	}
	return key, false
}
