package challenge

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/signature"
)

var (
	// ErrAudience reports a challenge for another audience than the one that
	// the client means. Another server may be relaying it.
	ErrAudience = errors.New("challenge is for another audience")

	// ErrMismatch reports a key that does not belong to the certificate. It is
	// the same value as piv.ErrMismatch.
	ErrMismatch = signature.ErrMismatch
)

// Respond signs a challenge with key and returns the answer for the server. cert is
// the certificate of key in DER. audience is the server that the client means, from
// the client's own configuration or address bar, never from c.
//
// The signed bytes are built here, so a server cannot have other data signed. The
// signature is verified with the certificate before the answer is returned.
//
// An RSA key signs with PKCS #1 v1.5, which all cards support; see [PSS]. The error
// is [ErrAudience], [ErrMismatch], or wraps that of key. A certificate with a
// repeated extension, which no server accepts, is an error before key is used; see
// [CheckCertificate].
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
	_, public, refusal := readCertificate(der)
	if refusal != nil {
		return nil, fmt.Errorf("%v: %w", refusal.Reason, refusal.Err)
	}
	key, pss := unwrapPSS(key)
	// Using a wrong key would cost the user a PIN and perhaps a try.
	if k, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !k.Equal(public) {
		return nil, ErrMismatch
	}
	algorithm, err := algorithmFor(public, pss)
	if err != nil {
		return nil, err
	}
	text := message(algorithm, der, c)
	signature, err := algorithm.sign(key, text)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if !algorithm.verify(public, text, signature) {
		return nil, fmt.Errorf("%w: it returned a signature of %d bytes that does not verify", ErrMismatch, len(signature))
	}
	return answer{algorithm: algorithm, cert: der, signature: signature}.marshal()
}

// CheckCertificate returns a [*Refusal] for a certificate in DER that no [Verifier]
// accepts, whatever its fields are, or nil. A client calls it before it asks for a
// PIN. It does not tell whether a server trusts the issuer.
func CheckCertificate(der []byte) error {
	// A nil *Refusal must not become an error.
	if r := checkCertificate(der); r != nil {
		return r
	}
	return nil
}

func checkCertificate(der []byte) *Refusal {
	c, key, r := readCertificate(der)
	if r != nil {
		return r
	}
	lenient := Verifier{AllowWeakKeys: true}
	algorithm, err := algorithmFor(key, false)
	if err == nil {
		err = lenient.checkKey(key, algorithm)
	}
	if err != nil {
		return refuse(UnfitKey, err)
	}
	leaf, err := parseLeaf(der)
	if err != nil {
		return refuse(MalformedCertificate, err)
	}
	if names := c.Names(); names.Err != nil {
		return refuse(MalformedName, names.Err)
	}
	for _, id := range leaf.UnhandledCriticalExtensions {
		if !id.Equal(oidSubjectAltName) {
			return refuse(Untrusted, fmt.Errorf("critical extension %v is not supported or malformed", id))
		}
	}
	findings := c.Check(rules.KeySpec{}, rules.Policy{}, time.Time{})
	undecided := slices.DeleteFunc(slices.Clone(findings), func(f rules.Finding) bool { return f.Verdict != rules.Unknown })
	if len(undecided) > 0 {
		return lenient.offered(undecided)
	}
	return nil
}

// PSS makes [Respond] sign with RSASSA-PSS if key is an RSA key. Use it where PKCS
// #1 v1.5 is forbidden and the card supports PSS.
func PSS(key crypto.Signer) crypto.Signer { return pssKey{key} }

type pssKey struct{ crypto.Signer }

func unwrapPSS(key crypto.Signer) (crypto.Signer, bool) {
	if p, ok := key.(pssKey); ok {
		return p.Signer, true
	}
	return key, false
}
