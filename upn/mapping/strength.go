package mapping

import (
	"fmt"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// A Strength is what a sign-in with a certificate counts for in Entra.
type Strength int

const (
	SingleFactor Strength = iota // a second factor may be asked for
	MultiFactor
)

// String is "single-factor" or "multi-factor".
func (s Strength) String() string {
	if s == MultiFactor {
		return "multi-factor"
	}
	return "single-factor"
}

// A StrengthRule says what the certificates of an issuer, of a policy, or of
// both count for. Issuer is the name of the direct issuer as it stands behind
// <I> in a mapping. Policy is the object identifier of a certificate policy; it
// covers no other that begins with it, and "All Issuance Policies" is
// 2.5.29.32.0. One of the two may be empty.
type StrengthRule struct {
	Issuer, Policy string
	Strength       Strength
	High           bool // bindings of high affinity are required
}

// A StrengthPolicy is the authentication binding policy of a tenant. Its zero
// value is the policy as shipped: single-factor, low affinity.
type StrengthPolicy struct {
	Rules   []StrengthRule
	Default Strength
	High    bool // the default for required affinity
}

// Of returns what a certificate counts for and whether bindings of high
// affinity are required. Rules with issuer and policy come before those with a
// policy, and those before rules with an issuer. Where several of the rules
// that decide match, the weaker strength and the higher affinity are taken.
//
// It is an error where the issuer or the policies cannot be read: a rule might
// have matched.
func (p StrengthPolicy) Of(der []byte) (s Strength, high bool, err error) {
	f, err := readFields(der)
	if err != nil {
		return 0, false, err
	}
	issuer, err := readName(f.cert.Issuer)
	if err != nil {
		return 0, false, fmt.Errorf("mapping: issuer: %w", err)
	}
	policies, err := certificatePolicies(&f.cert)
	if err != nil {
		return 0, false, fmt.Errorf("mapping: certificate policies: %w", err)
	}
	text := issuer.write(0)
	matches := func(r StrengthRule) bool {
		return (r.Issuer == "" || r.Issuer == text) && (r.Policy == "" || slices.Contains(policies, r.Policy))
	}
	for _, class := range [...]struct{ issuer, policy bool }{{true, true}, {false, true}, {true, false}} {
		found := false
		for _, r := range p.Rules {
			if (r.Issuer != "") != class.issuer || (r.Policy != "") != class.policy || !matches(r) {
				continue
			}
			if !found {
				s, high = r.Strength, r.High
			}
			found = true
			s, high = min(s, r.Strength), high || r.High
		}
		if found {
			return s, high, nil
		}
	}
	return p.Default, p.High, nil
}

// maxPolicies is how many policies of one certificate are read.
const maxPolicies = 64

// certificatePolicies returns the policies of a certificate as dotted object
// identifiers (RFC 5280, 4.2.1.4), none where it has no such extension.
func certificatePolicies(c *cert.Certificate) ([]string, error) {
	x, ok, err := c.Extension(oidCertPolicies)
	if err != nil || !ok {
		return nil, err
	}
	r := x.Value.Inside()
	list, _ := r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return nil, err
	}
	var oids []string
	in := list.Inside()
	for in.More() {
		info, ok := in.Take(ber.Sequence)
		if !ok {
			return nil, in.Err()
		}
		each := info.Inside()
		oid, ok := each.Take(ber.OID) // qualifiers may follow
		if !ok || !cert.ValidOID(oid.Value) {
			return nil, fmt.Errorf("policy at byte %d has no valid object identifier", info.Offset)
		}
		if len(oids) == maxPolicies {
			return nil, fmt.Errorf("more than %d policies", maxPolicies)
		}
		oids = append(oids, cert.DottedOID(oid.Value))
	}
	return oids, in.Err()
}
