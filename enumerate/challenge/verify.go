package challenge

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
)

// DefaultMaxAge is how long a challenge can be answered if [Verifier.MaxAge] is 0:
// long enough to insert a card and to type a PIN.
const DefaultMaxAge = 5 * time.Minute

// clockSkew is the allowed difference between the clocks of two servers.
const clockSkew = time.Minute

// A Verifier verifies answers. Roots must be set; the zero value refuses every
// answer. The package page has a table of what each field does if it is not set. A
// Verifier is safe for concurrent use while its fields do not change.
type Verifier struct {
	// Roots are the CAs whose certificates sign users in, Intermediates those
	// between. An answer brings no CAs. [NewPool] makes a pool for CAs with
	// critical name constraints on UPNs or directory names.
	Roots, Intermediates *x509.CertPool

	// Policy changes which certificates are accepted for sign-in, as the Group
	// Policy values of Windows do: EnumerateECCCerts accepts keys on elliptic
	// curves. It never changes what is trusted: an expired certificate is
	// refused even with AllowTimeInvalidCertificates, as by a domain controller.
	Policy rules.Policy

	// Waive lists rules that may fail, such as rules.ECC for an Ed25519 key,
	// which Windows accepts under no policy. A verdict of rules.Unknown is
	// never waived.
	Waive []rules.Rule

	// MaxAge is how long after its Time a challenge can be answered.
	// 0 means DefaultMaxAge.
	MaxAge time.Duration

	// AllowWeakKeys accepts RSA keys from 1024 bits and issuers on P-224. By
	// default every key of a chain must have at least 2048 bits (RSA) or 256
	// (elliptic curves).
	AllowWeakKeys bool

	// Revoked is called for each chain to Roots, leaf first, until it returns
	// nil. An error refuses the chain. It must also return one where the state
	// of a certificate is not known, as for a certificate without a
	// distribution point that can be read. If Revoked is nil, every answer is
	// refused. Package crl reads revocation lists; [NoRevocation] checks
	// nothing.
	Revoked func(ctx context.Context, chain []*x509.Certificate) error

	// SignIn decides which name is used. A Hint that the client sent is set
	// here, in a copy of the Verifier, and requires Accept.
	SignIn upn.SignIn

	// Accept decides whether the account of that name accepts the certificate,
	// for example by its bindings (package upn/mapping). An error refuses. It
	// is required for a name that is not in the certificate, as a hint is
	// unverified. Otherwise it may be nil.
	Accept func(ctx context.Context, name upn.Name, chain []*x509.Certificate) error

	// SeveralNames accepts a certificate with several different names, and uses
	// the first. By default it is refused, as programs differ in which name
	// they use.
	SeveralNames bool

	// Now returns the time. Nil means time.Now.
	Now func() time.Time
}

// NoRevocation accepts every chain, as a [Verifier.Revoked] that checks nothing: a
// lost card signs in until its certificate expires.
func NoRevocation(context.Context, []*x509.Certificate) error { return nil }

// An Identity is the result of a verified answer.
type Identity struct {
	Name     upn.Name            // the name that the certificate signs in
	Chain    []*x509.Certificate // from the certificate that signed to one of Roots
	Findings rules.Findings      // the verdict of each rule on the certificate
}

// Verify returns the identity behind an answer, or a [*Refusal]. The only other
// error is that of ctx.
//
// c is the challenge that this server made and kept in the session, never one
// that came with the answer. The caller removes it from the session before it calls
// Verify, so that it is answered once, and compares c.Purpose if the session
// keeps challenges for several purposes. answer has at most [MaxResponse] bytes.
//
// The signature is checked before chains are built and before Revoked and Accept
// are called, so a client without the key cannot cause that work.
//
// A certificate that crypto/x509 cannot parse as a whole is accepted if the fields
// that decide can be read. Chain[0] then has the fields that can be read, and all
// extensions in Extensions.
func (v *Verifier) Verify(ctx context.Context, c Challenge, answer []byte) (*Identity, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("challenge: %w", err)
	}
	now := time.Now()
	if v.Now != nil {
		now = v.Now()
	}
	id, refusal := v.verify(ctx, &c, answer, now)
	if refusal != nil {
		return nil, refusal
	}
	return id, nil
}

func (v *Verifier) verify(ctx context.Context, c *Challenge, answer []byte, now time.Time) (*Identity, *Refusal) {
	if v.Roots == nil {
		return nil, refuse(NoRoots, nil)
	}
	if r := v.checkChallenge(c, now); r != nil {
		return nil, r
	}
	a, err := parseAnswer(answer)
	if err != nil {
		return nil, refuse(MalformedAnswer, err)
	}
	certificate, r := v.checkAnswer(c, a)
	if r != nil {
		return nil, r
	}
	return v.identity(ctx, a.cert, certificate, now)
}

// identity returns the identity behind a certificate whose key is proven.
func (v *Verifier) identity(ctx context.Context, der []byte, certificate *rules.Certificate, now time.Time) (*Identity, *Refusal) {
	leaf, err := parseLeaf(der)
	if err != nil {
		return nil, refuse(MalformedCertificate, err)
	}
	names := certificate.Names()
	if names.Err != nil {
		return nil, refuse(MalformedName, names.Err)
	}
	chains, r := v.chains(leaf, now)
	if r != nil {
		return nil, r
	}
	findings := certificate.Check(rules.KeySpec{}, v.Policy, now)
	if r := v.offered(findings); r != nil {
		return nil, r
	}
	name, r := v.name(names)
	if r != nil {
		return nil, r
	}
	chain, r := v.unrevoked(ctx, chains)
	if r != nil {
		return nil, r
	}
	if v.Accept != nil {
		if err := v.Accept(ctx, name, chain); err != nil {
			return nil, refuse(NotAccepted, err)
		}
	}
	return &Identity{Name: name, Chain: chain, Findings: findings}, nil
}

// checkChallenge returns why c cannot be answered now, or nil.
func (v *Verifier) checkChallenge(c *Challenge, now time.Time) *Refusal {
	if err := c.check(); errors.Is(err, errUnbound) {
		return refuse(Unbound, err)
	} else if err != nil {
		return refuse(UnfitChallenge, err)
	}
	limit := v.MaxAge
	if limit == 0 {
		limit = DefaultMaxAge
	}
	switch age := now.Sub(c.Time); {
	case age > limit:
		return refuse(TooLate, fmt.Errorf("made %v ago, more than %v", age, limit))
	case age < -clockSkew:
		return refuse(TooEarly, fmt.Errorf("made %v from now", -age))
	}
	return nil
}

// checkAnswer returns the certificate whose key signed c.
func (v *Verifier) checkAnswer(c *Challenge, a answer) (*rules.Certificate, *Refusal) {
	certificate, key, r := readCertificate(a.cert)
	if r != nil {
		return nil, r
	}
	if err := v.checkKey(key, a.algorithm); err != nil {
		return nil, refuse(UnfitKey, err)
	}
	if !a.algorithm.verify(key, message(a.algorithm, a.cert, c), a.signature) {
		return nil, refuse(WrongSignature, nil)
	}
	return certificate, nil
}

// readCertificate parses a certificate and returns it with its key. It refuses one
// that repeats an extension.
func readCertificate(der []byte) (*rules.Certificate, crypto.PublicKey, *Refusal) {
	c := rules.Inspect(der)
	key, err := c.PublicKey()
	if err != nil {
		return nil, nil, refuse(MalformedCertificate, err)
	}
	switch repeated, err := c.RepeatedExtension(); {
	case err != nil:
		return nil, nil, refuse(MalformedCertificate, err)
	case repeated != "":
		return nil, nil, refuse(RepeatedExtension, errors.New(repeated))
	}
	return c, key, nil
}

// checkKey returns why an answer with that algorithm is not verified with a key, or
// nil.
func (v *Verifier) checkKey(key crypto.PublicKey, a algorithm) error {
	if !a.fits(key) {
		return fmt.Errorf("answer names algorithm %d, which is not one of a %T", a, key)
	}
	return v.checkLength(key)
}

// checkLength returns why the length of a client's key is not accepted, or nil.
func (v *Verifier) checkLength(key crypto.PublicKey) error {
	if key, ok := key.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
		return fmt.Errorf("RSA key has %d bits, more than %d", key.N.BitLen(), maxRSA)
	}
	return v.checkStrength(key)
}

// offered refuses a certificate that fails a rule which is not waived.
func (v *Verifier) offered(findings rules.Findings) *Refusal {
	if findings.Offered() {
		return nil
	}
	var against []string
	for _, f := range findings {
		switch {
		case f.Verdict == rules.Passed || f.Verdict == rules.Waived:
		case f.Verdict == rules.Failed && slices.Contains(v.Waive, f.Rule):
		default:
			against = append(against, fmt.Sprintf("%s %s: %s", f.Rule, f.Verdict, f.Detail()))
		}
	}
	if len(findings) > 0 && len(against) == 0 {
		return nil
	}
	return refuse(NotOffered, errors.New(strings.Join(against, "; ")))
}

// name returns the name that the answer signs in.
func (v *Verifier) name(names upn.Names) (upn.Name, *Refusal) {
	certified := names.UPNs
	if len(certified) == 0 {
		certified = names.Emails
	}
	if !v.SeveralNames {
		for _, other := range certified {
			if !upn.Equal(certified[0], other) {
				return upn.Name{}, refuse(SeveralNames, fmt.Errorf("%.64q and %.64q", certified[0], other))
			}
		}
	}
	name, err := v.SignIn.Name(names)
	if err != nil {
		return upn.Name{}, refuse(NoName, err)
	}
	if v.Accept != nil {
		return name, nil
	}
	for _, s := range certified {
		if upn.Equal(s, name.Value) {
			return name, nil
		}
	}
	return upn.Name{}, refuse(UnprovenName, fmt.Errorf("%.64q", name.Value))
}

// unrevoked returns the first chain that Revoked accepts.
func (v *Verifier) unrevoked(ctx context.Context, chains [][]*x509.Certificate) ([]*x509.Certificate, *Refusal) {
	if v.Revoked == nil {
		return nil, refuse(Revoked, errors.New("Verifier.Revoked is not set"))
	}
	var errs error
	for _, chain := range chains {
		err := v.Revoked(ctx, chain)
		switch {
		case err == nil:
			return chain, nil
		case errs == nil:
			errs = err
		default:
			errs = fmt.Errorf("%w; %w", errs, err)
		}
	}
	return nil, refuse(Revoked, errs)
}
