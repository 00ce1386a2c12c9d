package mapping

import (
	"fmt"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// A Strength is the authentication strength of a certificate in Entra.
type Strength int

const (
	SingleFactor Strength = iota // Entra may require a second factor
	MultiFactor
)

// String returns "single-factor" or "multi-factor".
func (s Strength) String() string {
	if s == MultiFactor {
		return "multi-factor"
	}
	return "single-factor"
}

// A StrengthRule sets the strength of certificates with an issuer, a policy, or
// both. One of the two may be empty. A policy does not cover the policies below
// it; "All Issuance Policies" is 2.5.29.32.0.
type StrengthRule struct {
	Issuer   string // name of the direct issuer, as after <I> in a mapping
	Policy   string // dotted object identifier of a certificate policy
	Strength Strength
	High     bool // bindings of high affinity are required
}

// A StrengthPolicy is the authentication binding policy of a tenant. The zero
// value is Entra's default: single-factor, low affinity.
type StrengthPolicy struct {
	Rules   []StrengthRule
	Default Strength
	High    bool // default of StrengthRule.High
}

// Of returns the strength of a certificate and whether bindings of high affinity
// are required. Rules with issuer and policy precede rules with a policy, which
// precede rules with an issuer. If several rules of the same precedence match, the
// weaker strength and the higher affinity apply.
//
// The error reports a malformed issuer or malformed policies, which a rule might
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
		matched := false
		for _, r := range p.Rules {
			if (r.Issuer != "") != class.issuer || (r.Policy != "") != class.policy || !matches(r) {
				continue
			}
			if !matched {
				s, high = r.Strength, r.High
			}
			matched = true
			s, high = min(s, r.Strength), high || r.High
		}
		if matched {
			return s, high, nil
		}
	}
	return p.Default, p.High, nil
}

// maxPolicies is the limit of policies in a certificate.
const maxPolicies = 64

// certificatePolicies returns the policies of a certificate as dotted object
// identifiers (RFC 5280, 4.2.1.4). There are none without the extension.
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
