package mapping

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/upn"
)

// A NameRule is a line of the policy "Allow name-based strong mappings". It
// applies to the certificates of an issuer that have one of the Policies.
type NameRule struct {
	Issuer        [sha1.Size]byte // thumbprint of the issuer's certificate
	Policies      []string        // dotted object identifiers of certificate policies
	UPNSuffix     string          // domain of the UPNs that are strong, without "@"; empty: none
	IssuerSubject bool            // mappings by issuer and subject are strong
}

const (
	maxPolicyText   = 16 << 20 // bytes of a policy
	maxRulePolicies = 256      // certificate policies of a rule
)

// ParseNameRules parses the text of the policy. It has one rule per line,
//
//	thumbprint; oid[, oid]; UpnSuffix=domain[, IssuerSubject]
//
// with one or both of the methods. A thumbprint may occur only once. The text is
// limited to 16 MiB, and a rule to 256 object identifiers.
func ParseNameRules(text string) ([]NameRule, error) {
	if len(text) > maxPolicyText {
		return nil, fmt.Errorf("mapping: name-based mappings: %d bytes, more than %d", len(text), maxPolicyText)
	}
	var rules []NameRule
	seen := make(map[[sha1.Size]byte]bool)
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		r, err := parseNameRule(line)
		if err == nil && seen[r.Issuer] {
			err = errors.New("thumbprint occurs in an earlier line")
		}
		if err != nil {
			return nil, fmt.Errorf("mapping: name-based mappings, line %d: %w", number, err)
		}
		seen[r.Issuer] = true
		rules = append(rules, r)
	}
	return rules, nil
}

func parseNameRule(line string) (NameRule, error) {
	var r NameRule
	if n := strings.Count(line, ";") + 1; n != 3 {
		return r, fmt.Errorf("%d sections, not 3", n)
	}
	thumbprint, line, _ := strings.Cut(line, ";")
	oids, methods, _ := strings.Cut(line, ";")
	thumbprint = strings.TrimSpace(thumbprint)
	if n, err := hex.Decode(r.Issuer[:], []byte(thumbprint[:min(len(thumbprint), 2*len(r.Issuer))])); err != nil ||
		n != len(r.Issuer) || len(thumbprint) != 2*n {
		return NameRule{}, errors.New("thumbprint is not 40 hexadecimal digits")
	}
	for oid := range strings.SplitSeq(oids, ",") {
		oid = strings.TrimSpace(oid)
		if !dotted(oid) {
			return r, fmt.Errorf("%.64q is not an object identifier", oid)
		}
		if len(r.Policies) == maxRulePolicies {
			return r, fmt.Errorf("more than %d object identifiers", maxRulePolicies)
		}
		r.Policies = append(r.Policies, oid)
	}
	for method := range strings.SplitSeq(methods, ",") {
		method = strings.TrimSpace(method)
		suffix, isSuffix := strings.CutPrefix(method, "UpnSuffix=")
		switch {
		case isSuffix && suffix != "" && r.UPNSuffix == "" && !strings.HasPrefix(suffix, "@"):
			r.UPNSuffix = suffix
		case method == "IssuerSubject" && !r.IssuerSubject:
			r.IssuerSubject = true
		default:
			return r, fmt.Errorf("%.64q is not UpnSuffix=domain or IssuerSubject, or occurs twice", method)
		}
	}
	return r, nil
}

// dotted reports whether s is a dotted object identifier.
func dotted(s string) bool {
	arcs := 0
	for arc := range strings.SplitSeq(s, ".") {
		if !decimal(arc) {
			return false
		}
		arcs++
	}
	return arcs > 1
}

// byPolicy returns the first weak mapping that the policy makes strong.
func (dc Controller) byPolicy(f *fields, weak []Mapping, issuer []byte) (Mapping, bool, error) {
	if len(dc.NamePolicy) == 0 || issuer == nil || dc.Server == Server2016 {
		return Mapping{}, false, nil
	}
	parent, err := cert.Parse(issuer)
	if err != nil {
		return Mapping{}, false, fmt.Errorf("mapping: certificate of the issuer: %w", err)
	}
	if !bytes.Equal(parent.Subject.Raw, f.cert.Issuer.Raw) {
		return Mapping{}, false, errors.New("mapping: certificate of the issuer: subject is not the issuer of the certificate")
	}
	policies, err := certificatePolicies(&f.cert)
	if err != nil {
		return Mapping{}, false, fmt.Errorf("mapping: certificate policies: %w", err)
	}
	thumbprint, err := sumSHA1(issuer)
	if err != nil {
		return Mapping{}, false, fmt.Errorf("mapping: certificate of the issuer: %w", err)
	}
	for _, r := range dc.NamePolicy {
		if r.Issuer != thumbprint || !slices.ContainsFunc(r.Policies, func(oid string) bool { return slices.Contains(policies, oid) }) {
			continue
		}
		for _, m := range weak {
			if m.Kind == IssuerSubject && r.IssuerSubject || m.Kind == PrincipalName && r.covers(m.Value) {
				return m, true, nil
			}
		}
	}
	return Mapping{}, false, nil
}

// covers reports whether the rule makes a name strong. Its domain must be equal to
// UPNSuffix; a subdomain does not count.
func (r NameRule) covers(name string) bool {
	_, domain, ok := strings.Cut(name, "@")
	return ok && r.UPNSuffix != "" && upn.Equal(domain, r.UPNSuffix)
}
