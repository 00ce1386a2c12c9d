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

// ParseNameRules parses the text of the policy. It has one rule per line,
//
//	thumbprint; oid[, oid]; UpnSuffix=domain[, IssuerSubject]
//
// with one or both of the methods. A thumbprint may occur only once.
func ParseNameRules(text string) ([]NameRule, error) {
	var rules []NameRule
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		r, err := parseNameRule(line)
		if err == nil && slices.ContainsFunc(rules, func(o NameRule) bool { return o.Issuer == r.Issuer }) {
			err = errors.New("thumbprint occurs in an earlier line")
		}
		if err != nil {
			return nil, fmt.Errorf("mapping: name-based mappings, line %d: %w", i+1, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseNameRule(line string) (NameRule, error) {
	var r NameRule
	sections := strings.Split(line, ";")
	if len(sections) != 3 {
		return r, fmt.Errorf("%d sections, not 3", len(sections))
	}
	thumbprint, err := hex.DecodeString(strings.TrimSpace(sections[0]))
	if err != nil || len(thumbprint) != len(r.Issuer) {
		return r, errors.New("thumbprint is not 40 hexadecimal digits")
	}
	copy(r.Issuer[:], thumbprint)
	for _, oid := range strings.Split(sections[1], ",") {
		oid = strings.TrimSpace(oid)
		if !dotted(oid) {
			return r, fmt.Errorf("%.64q is not an object identifier", oid)
		}
		r.Policies = append(r.Policies, oid)
	}
	for _, method := range strings.Split(sections[2], ",") {
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
	arcs := strings.Split(s, ".")
	for _, arc := range arcs {
		if !decimal(arc) {
			return false
		}
	}
	return len(arcs) > 1
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
