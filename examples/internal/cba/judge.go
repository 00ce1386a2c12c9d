package cba

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/crl"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/smartlogon/smartlogon/upn/mapping"
)

// A Judge decides whether a certificate signs a user in.
type Judge struct {
	Policy     *Policy
	Directory  Directory
	Revocation *crl.Checker // keeps lists between logins; see NewRevocation
	Now        func() time.Time
}

// NewRevocation returns the Checker for the authorities of a policy.
func NewRevocation(p *Policy, now func() time.Time) *crl.Checker {
	return &crl.Checker{Authorities: p.lists(), Optional: !p.RequireCRL, Now: now}
}

// A SignIn is a user who is signed in.
type SignIn struct {
	User     *User
	Name     string // as typed
	Binding  mapping.Mapping
	Strength mapping.Strength
	Chain    []*x509.Certificate
	Findings rules.Findings
}

// methods returns the amr claim. Entra ID has rsa for a certificate with an RSA key
// and mfa for multi-factor strength. For other keys no value is known; pop is RFC
// 8176's for the proof of a key.
func (s *SignIn) methods() []string {
	amr := []string{"pop"}
	if _, ok := s.Chain[0].PublicKey.(*rsa.PublicKey); ok {
		amr[0] = "rsa"
	}
	if s.Strength == mapping.MultiFactor {
		amr = append(amr, "mfa")
	}
	return amr
}

// signInPolicy accepts what Entra ID accepts: any certificate for client
// authentication, on elliptic curves, too, and without a name, as the user types
// one.
var signInPolicy = rules.Policy{AllowCertificatesWithNoEKU: true, EnumerateECCCerts: true, X509HintsNeeded: true}

// SignIn signs in the user with a name by a certificate whose key is proven. The
// error is a *Refusal, or that of ctx.
func (j *Judge) SignIn(ctx context.Context, name string, der []byte) (*SignIn, error) {
	user := j.Directory.Find(name)
	if user == nil {
		return nil, refuse(noUniqueUser, fmt.Errorf("no account %.64q", name))
	}
	if len(j.Policy.Groups) > 0 && !slices.ContainsFunc(j.Policy.Groups, user.isIn) {
		return nil, refuse(notInScope, fmt.Errorf("%.64q is in no group of the policy", user.UPN))
	}
	result := &SignIn{User: user, Name: name}
	roots, intermediates := j.Policy.pools()
	v := challenge.Verifier{
		Roots:         roots,
		Intermediates: intermediates,
		Policy:        signInPolicy,
		Revoked:       j.Revocation.Check,
		SignIn:        upn.SignIn{Hint: name, Revision: upn.Revision2025},
		Now:           j.Now,
		Accept: func(_ context.Context, _ upn.Name, chain []*x509.Certificate) error {
			return j.bind(result, der, chain)
		},
	}
	id, err := v.VerifyPeer(ctx, der)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, refusalOf(err)
	}
	result.Chain, result.Findings = id.Chain, id.Findings
	return result, nil
}

// bind decides whether the account accepts the certificate, and sets binding and
// strength.
func (j *Judge) bind(s *SignIn, der []byte, chain []*x509.Certificate) (err error) {
	if !j.Policy.scoped(s.User, chain) {
		return refuse(caScope, fmt.Errorf("%.64q is in no group of a CA of the chain", s.User.UPN))
	}
	var high bool
	if s.Strength, high, err = j.Policy.Strength.Of(der); err != nil {
		return refuse(invalidCertificate, err)
	}
	s.Binding, err = mapping.Match(s.User.account(), j.Policy.Bindings, der, high)
	var mismatch *mapping.MatchError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mismatch) && len(mismatch.Attempts) > 0 && !slices.ContainsFunc(mismatch.Attempts, func(a mapping.Attempt) bool { return a.Outcome != mapping.Absent }):
		return refuse(noBindingField, err)
	case errors.Is(err, mapping.ErrBinding):
		return refuse(noPolicy, err)
	}
	return refuse(noUniqueUser, err)
}
