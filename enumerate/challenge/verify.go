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

// DefaultMaxAge is how long a challenge may be answered where a [Verifier] says
// nothing else: time to find the card and to type a PIN.
const DefaultMaxAge = 5 * time.Minute

// clockSkew is how far apart the clocks of two servers of one audience may be.
const clockSkew = time.Minute

// Bounds of an RSA key, in bits. Shorter ones are forged, and longer ones make
// the server work for whoever asks.
const minRSA, maxRSA = 2048, 8192

// A Verifier decides whether an answer identifies somebody. Roots must be set;
// the zero value refuses everything. A Verifier is safe for concurrent use as
// long as its fields are left alone.
type Verifier struct {
	// Roots are the authorities whose certificates may sign people in, and
	// Intermediates those between. An answer brings no authorities of its own.
	Roots, Intermediates *x509.CertPool

	// Policy changes which certificates are taken for sign-in, as the Group
	// Policy values of Windows do: those with a key on an elliptic curve only
	// with EnumerateECCCerts. It never changes what is trusted: an expired
	// certificate is refused even with AllowTimeInvalidCertificates, as a
	// domain controller refuses it.
	Policy rules.Policy

	// Waive names rules that this server does not insist on, such as
	// rules.ECC, by which Windows takes no Ed25519 key under any policy. A rule
	// that could not be decided is never waived.
	Waive []rules.Rule

	// MaxAge is how long after its Time a challenge may be answered.
	// 0 is DefaultMaxAge.
	MaxAge time.Duration

	// Revoked is asked for each chain that leads to Roots, leaf first, until it
	// returns nil. An error refuses the chain, also where the state of a
	// certificate could not be learnt. If Revoked is nil, revocation is not
	// checked: a lost card then signs in until its certificate expires.
	Revoked func(ctx context.Context, chain []*x509.Certificate) error

	// SignIn says how the name is found. A Hint that the client sent belongs
	// here, in a copy of the Verifier, and asks for Accept.
	SignIn upn.SignIn

	// Accept decides whether the account of that name takes the certificate,
	// for example by the account's bindings (package upn/mapping). An error
	// refuses. It must be set for a name that is not the certificate's own, as
	// a hint is whatever its sender typed. Otherwise it may be nil.
	Accept func(ctx context.Context, name upn.Name, chain []*x509.Certificate) error

	// SeveralNames takes a certificate with several different names, by the
	// first of them. By default it is refused: programs differ in which one
	// they read.
	SeveralNames bool

	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// An Identity is who answered.
type Identity struct {
	Name     upn.Name            // whom the certificate signs in
	Chain    []*x509.Certificate // from the certificate that signed to one of Roots
	Findings rules.Findings      // what each rule says of the certificate
}

// Verify returns who answered the challenge, or a [*Refusal] that says why
// nobody did. The only other error is that of a ctx that is over.
//
// given is the challenge that this server made and kept for this session, not
// one that came with the answer. The caller takes it out of the session before
// it calls Verify, so that each is answered once; whoever keeps challenges for
// several purposes together compares given.Purpose first. answer is at most
// [MaxResponse] bytes.
//
// The signature is checked before anything is looked up, so a stranger cannot
// make the server build chains or fetch revocation lists for a certificate
// whose key he does not have.
func (v *Verifier) Verify(ctx context.Context, given Challenge, answer []byte) (*Identity, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("challenge: %w", err)
	}
	now := time.Now()
	if v.Now != nil {
		now = v.Now()
	}
	id, refusal := v.verify(ctx, &given, answer, now)
	if refusal != nil {
		return nil, refusal
	}
	return id, nil
}

func (v *Verifier) verify(ctx context.Context, given *Challenge, answer []byte, now time.Time) (*Identity, *Refusal) {
	if v.Roots == nil {
		return nil, refuse(NoRoots, nil)
	}
	if r := v.checkChallenge(given, now); r != nil {
		return nil, r
	}
	leaf, certificate, r := checkAnswer(given, answer)
	if r != nil {
		return nil, r
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

// checkChallenge reports why given cannot be answered now.
func (v *Verifier) checkChallenge(given *Challenge, now time.Time) *Refusal {
	if err := given.check(); errors.Is(err, errUnbound) {
		return refuse(Unbound, err)
	} else if err != nil {
		return refuse(UnfitChallenge, err)
	}
	limit := v.MaxAge
	if limit == 0 {
		limit = DefaultMaxAge
	}
	switch age := now.Sub(given.Time); {
	case age > limit:
		return refuse(TooLate, fmt.Errorf("made %v ago, more than %v", age, limit))
	case age < -clockSkew:
		return refuse(TooEarly, fmt.Errorf("made %v from now", -age))
	}
	return nil
}

// checkAnswer returns the certificate whose key signed given,
// twice: as crypto/x509 and as the rules read it.
func checkAnswer(given *Challenge, answer []byte) (*x509.Certificate, *rules.Certificate, *Refusal) {
	a, err := parseAnswer(answer)
	if err != nil {
		return nil, nil, refuse(MalformedAnswer, err)
	}
	certificate := rules.Inspect(a.cert)
	switch repeated, err := certificate.RepeatedExtension(); {
	case err != nil:
		return nil, nil, refuse(MalformedCertificate, err)
	case repeated != "":
		return nil, nil, refuse(RepeatedExtension, errors.New(repeated))
	}
	leaf, err := x509.ParseCertificate(a.cert)
	if err != nil {
		return nil, nil, refuse(MalformedCertificate, err)
	}
	if err := checkKey(leaf.PublicKey, a.algorithm); err != nil {
		return nil, nil, refuse(UnfitKey, err)
	}
	if !a.algorithm.verify(leaf.PublicKey, message(a.algorithm, a.cert, given), a.signature) {
		return nil, nil, refuse(WrongSignature, nil)
	}
	return leaf, certificate, nil
}

// checkKey reports why a key is not one to verify an answer with.
func checkKey(pub crypto.PublicKey, a algorithm) error {
	if !a.fits(pub) {
		return fmt.Errorf("answer names algorithm %d, which is none of a %T", a, pub)
	}
	if pub, ok := pub.(*rsa.PublicKey); ok {
		if n := pub.N.BitLen(); n < minRSA || n > maxRSA {
			return fmt.Errorf("RSA key has %d bits, not %d to %d", n, minRSA, maxRSA)
		}
	}
	return nil
}

// offered refuses a certificate that a rule keeps from being offered.
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
	own := names.UPNs
	if len(own) == 0 {
		own = names.Emails
	}
	if !v.SeveralNames {
		for _, other := range own {
			if !upn.Equal(own[0], other) {
				return upn.Name{}, refuse(SeveralNames, fmt.Errorf("%.64q and %.64q", own[0], other))
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
	for _, s := range own {
		if upn.Equal(s, name.Value) {
			return name, nil
		}
	}
	return upn.Name{}, refuse(UnprovenName, fmt.Errorf("%.64q", name.Value))
}

// unrevoked returns the first chain that is cleared of revocation.
func (v *Verifier) unrevoked(ctx context.Context, chains [][]*x509.Certificate) ([]*x509.Certificate, *Refusal) {
	if v.Revoked == nil {
		return chains[0], nil
	}
	var all error
	for _, chain := range chains {
		err := v.Revoked(ctx, chain)
		switch {
		case err == nil:
			return chain, nil
		case all == nil:
			all = err
		default:
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return nil, refuse(Revoked, all)
}
