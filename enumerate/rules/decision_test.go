package rules_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// policyNames returns the REG_DWORD policies, by reflection, so that no table can
// miss a new one.
func policyNames() []string {
	var names []string
	for i := range reflect.TypeFor[rules.Policy]().NumField() {
		if f := reflect.TypeFor[rules.Policy]().Field(i); f.Type.Kind() == reflect.Bool {
			names = append(names, f.Name)
		}
	}
	return names
}

// everyPolicy calls f with each combination of policies.
func everyPolicy(f func(p rules.Policy, enabled []string)) {
	names := policyNames()
	for bits := range 1 << len(names) {
		var p rules.Policy
		var enabled []string
		for i, name := range names {
			if bits&(1<<i) != 0 {
				reflect.ValueOf(&p).Elem().FieldByName(name).SetBool(true)
				enabled = append(enabled, name)
			}
		}
		f(p, enabled)
	}
}

// TestDecisionTable asserts every combination of a state of one rule, of all
// policies, and of both profiles.
func TestDecisionTable(t *testing.T) {
	require.Len(t, policyNames(), 9)
	for _, s := range states {
		c, err := rules.Read(s.cert.DER())
		require.NoError(t, err)
		everyPolicy(func(p rules.Policy, enabled []string) {
			want := s.verdict
			if s.policy != "" && slices.Contains(enabled, s.policy) {
				want = rules.Waived
			}
			findings := c.Check(s.spec, p, clock)
			for i, f := range findings {
				if f.Rule == s.rule && f.Verdict != want || f.Rule != s.rule && f.Verdict != rules.Passed || f.Rule != everyRule[i] {
					t.Errorf("%s, %v: %s is %s", s.name, enabled, f.Rule, f.Verdict)
				}
			}
			if offered := want == rules.Passed || want == rules.Waived; findings.Offered() != offered {
				t.Errorf("%s, %v: offered is %v", s.name, enabled, !offered)
			}
			for _, profile := range []rules.Profile{rules.Current, rules.Legacy} {
				for _, r := range c.Requirements(profile, s.spec, p) {
					if want := requirement(r.Name, profile, s, p); r.Verdict != want {
						t.Errorf("%s, %v, %s: %s is %s, not %s", s.name, enabled, profile, r.Name, r.Verdict, want)
					}
				}
			}
		})
	}
}

// requirement returns the expected verdict of a row of the requirement table. It
// is written from the document, independently of the package.
func requirement(row string, profile rules.Profile, s state, p rules.Policy) rules.Verdict {
	verdict := func(rule rules.Rule) rules.Verdict {
		if s.rule == rule {
			return s.verdict
		}
		return rules.Passed
	}
	legacy := profile == rules.Legacy
	switch row {
	case "key-usage":
		return verdict(rules.KeyUsage)
	case "eku":
		if !legacy && s.name == "no extended key usage" {
			return rules.Passed
		}
		return verdict(rules.EKU)
	case "at-keyexchange":
		v := verdict(rules.KeySpecification)
		if v == rules.Failed && !legacy && p.AllowSignatureOnlyKeys {
			return rules.Waived
		}
		return v
	case "crl-distribution-point": // no state has one
		if legacy {
			return rules.Failed
		}
	case "subject-alternative-name":
		switch {
		case legacy && (s.name == "RFC822 name" || s.name == "two RFC822 names"):
			return rules.Failed
		case legacy:
			return verdict(rules.UPN)
		}
	}
	return rules.Passed
}

// TestAllRulesTogether asserts that rules are independent: every combination of
// states, without and with all policies.
func TestAllRulesTogether(t *testing.T) {
	parts := map[rules.Rule][]state{}
	for _, s := range states {
		// One state for each verdict and policy suffices.
		if !slices.ContainsFunc(parts[s.rule], func(o state) bool { return o.verdict == s.verdict && o.policy == s.policy }) {
			parts[s.rule] = append(parts[s.rule], s)
		}
	}
	sum := 0
	var combine func(chosen []state)
	combine = func(chosen []state) {
		if len(chosen) < len(everyRule) {
			for _, s := range parts[everyRule[len(chosen)]] {
				combine(append(slices.Clone(chosen), s))
			}
			return
		}
		sum++
		c := certtest.Certificate{
			NotBefore: chosen[0].cert.NotBefore, NotAfter: chosen[0].cert.NotAfter,
			Subject: chosen[2].cert.Subject, Key: chosen[5].cert.Key,
		}
		for i, from := range []state{chosen[2], chosen[3], chosen[4]} {
			c.Extensions = append(c.Extensions, extensionsOf(from, []string{"2.5.29.17", "2.5.29.15", "2.5.29.37"}[i])...)
		}
		der := c.DER()
		for _, every := range []bool{false, true} {
			p := rules.Policy{AllowCertificatesWithNoEKU: every, AllowSignatureOnlyKeys: every, AllowTimeInvalidCertificates: every, EnumerateECCCerts: every, X509HintsNeeded: every}
			offered := true
			for i, f := range rules.Check(der, chosen[1].spec, p, clock) {
				want := chosen[i].verdict
				if every && chosen[i].policy != "" {
					want = rules.Waived
				}
				offered = offered && (want == rules.Passed || want == rules.Waived)
				if f.Verdict != want {
					t.Errorf("%s of %q is %s, not %s", f.Rule, chosen[i].name, f.Verdict, want)
				}
			}
			if got := rules.Check(der, chosen[1].spec, p, clock).Offered(); got != offered {
				t.Errorf("offered is %v", got)
			}
		}
	}
	combine(nil)
	assert.Greater(t, sum, 1000)
}

// extensionsOf returns the extensions of a state that have an object identifier.
func extensionsOf(s state, oid string) [][]byte {
	var list [][]byte
	for _, x := range s.cert.Extensions {
		header := certtest.OID(oid)
		if len(x) > 2+len(header) && string(x[2:2+len(header)]) == string(header) {
			list = append(list, x)
		}
	}
	return list
}

func TestRequirementsOfOneCell(t *testing.T) {
	basic := func(der ...byte) certtest.Certificate { return withMore("2.5.29.19", der) }
	points := func(der []byte) certtest.Certificate { return withMore("2.5.29.31", der) }
	uri := certtest.GeneralName(6, "http://crl.example.com/ca.crl")
	point := func(name []byte) []byte { return certtest.Sequence(certtest.Sequence(tagged(name))) }
	tests := []struct {
		name    string
		cert    certtest.Certificate
		row     string
		profile rules.Profile
		verdict rules.Verdict
		detail  string
	}{
		{"a distribution point with an address", points(point(tagged(uri))), "crl-distribution-point", rules.Legacy, rules.Passed, `"http://crl.example.com/ca.crl"`},
		{"two distribution points", points(certtest.Sequence(certtest.Sequence(), certtest.Sequence(tagged(tagged(uri))))), "crl-distribution-point", rules.Legacy, rules.Passed, "crl.example.com"},
		{"a distribution point with a directory name", points(point(tagged(certtest.Sequence()))), "crl-distribution-point", rules.Legacy, rules.Failed, "without an address"},
		{"a distribution point relative to its issuer", points(point([]byte{0xA1, 0})), "crl-distribution-point", rules.Legacy, rules.Failed, "without an address"},
		{"no distribution points", certtest.Logon("a@x"), "crl-distribution-point", rules.Legacy, rules.Failed, "no CRL distribution points"},
		{"no distribution points", certtest.Logon("a@x"), "crl-distribution-point", rules.Current, rules.Passed, "not required on the client"},
		{"distribution points of another type", points([]byte{5, 0}), "crl-distribution-point", rules.Legacy, rules.Unknown, "want tag 30, found 05"},
		{"a distribution point of another type", points(certtest.Sequence([]byte{5, 0})), "crl-distribution-point", rules.Legacy, rules.Unknown, "want tag 30, found 05"},
		{"a distribution point whose names are cut", points(point(tagged([]byte{0x86, 9}))), "crl-distribution-point", rules.Legacy, rules.Unknown, "value is longer"},
		{"distribution points twice", logon(func(c *certtest.Certificate) {
			c.Extensions = append(c.Extensions, certtest.Extension("2.5.29.31", nil), certtest.Extension("2.5.29.31", nil))
		}), "crl-distribution-point", rules.Legacy, rules.Unknown, "a second extension"},

		{"no basic constraints", certtest.Logon("a@x"), "basic-constraints", rules.Legacy, rules.Passed, "they are optional"},
		{"end entity", basic(0x30, 0), "basic-constraints", rules.Legacy, rules.Passed, "end entity, no path length"},
		{"end entity with its FALSE written out", basic(0x30, 3, 1, 1, 0), "basic-constraints", rules.Legacy, rules.Passed, "end entity, no path length"},
		{"a CA", basic(0x30, 3, 1, 1, 0xFF), "basic-constraints", rules.Legacy, rules.Failed, "it is a CA"},
		{"a CA", basic(0x30, 3, 1, 1, 0xFF), "basic-constraints", rules.Current, rules.Passed, "not required"},
		{"a path length", basic(0x30, 3, 2, 1, 0), "basic-constraints", rules.Legacy, rules.Failed, "have a path length"},
		{"basic constraints of another type", basic(5, 0), "basic-constraints", rules.Legacy, rules.Unknown, "want tag 30, found 05"},
		{"basic constraints with more in them", basic(0x30, 2, 5, 0), "basic-constraints", rules.Legacy, rules.Unknown, "data after the last element"},
		{"basic constraints twice", logon(func(c *certtest.Certificate) {
			c.Extensions = append(c.Extensions, certtest.Extension("2.5.29.19", nil), certtest.Extension("2.5.29.19", nil))
		}), "basic-constraints", rules.Legacy, rules.Unknown, "a second extension"},

		{"no extended key usage", with(ekuPlace, nil), "eku", rules.Current, rules.Passed, "step (e) of the enumeration does not"},
		{"no extended key usage", with(ekuPlace, nil), "eku", rules.Legacy, rules.Failed, "smart card logon is required"},
		{"client authentication", with(ekuPlace, certtest.EKU(certtest.ClientAuth)), "eku", rules.Current, rules.Failed, "must contain smart card logon"},
		{"client authentication", with(ekuPlace, certtest.EKU(certtest.ClientAuth)), "eku", rules.Legacy, rules.Failed, "client authentication only for TLS"},

		{"RFC822 name", with(sanPlace, certtest.SAN(certtest.Email("a@x"))), "subject-alternative-name", rules.Current, rules.Passed, "not required"},
		{"RFC822 name", with(sanPlace, certtest.SAN(certtest.Email("a@x"))), "subject-alternative-name", rules.Legacy, rules.Failed, "no otherName"},
		{"UPN", certtest.Logon("a@x"), "subject-alternative-name", rules.Legacy, rules.Passed, `UPN "a@x"`},

		{"a subject", certtest.Logon("a@x"), "subject", rules.Legacy, rules.Passed, `"CN=Alice"`},
		{"an empty subject", logon(func(c *certtest.Certificate) { c.Subject = certtest.Sequence() }), "subject", rules.Legacy, rules.Passed, "its content is optional"},
		{"a subject that cannot be read", logon(func(c *certtest.Certificate) { c.Subject = certtest.Sequence([]byte{5, 0}) }), "subject", rules.Legacy, rules.Unknown, "cannot be read"},
		{"a subject that cannot be read", logon(func(c *certtest.Certificate) { c.Subject = certtest.Sequence([]byte{5, 0}) }), "subject", rules.Current, rules.Passed, "not required"},

		{"no UPN", with(sanPlace, nil), "upn", rules.Legacy, rules.Passed, "not required in this row"},
		{"no CRL", certtest.Logon("a@x"), "crl", rules.Legacy, rules.Passed, "not required"},
		{"a file", certtest.Logon("a@x"), "at-keyexchange", rules.Legacy, rules.Passed, "taken as one with AT_KEYEXCHANGE"},
		{"digitalSignature", certtest.Logon("a@x"), "key-usage", rules.Current, rules.Passed, "digitalSignature"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s, %s", tt.name, tt.profile), func(t *testing.T) {
			list := rules.Requirements(tt.cert.DER(), tt.profile)
			i := slices.IndexFunc(list, func(r rules.Requirement) bool { return r.Name == tt.row })
			require.GreaterOrEqual(t, i, 0)
			assert.Equal(t, tt.verdict, list[i].Verdict, list[i].Detail)
			assert.Contains(t, list[i].Detail, tt.detail)
			assert.Equal(t, tt.profile, list[i].Profile)
		})
	}
}

func withMore(oid string, value []byte) certtest.Certificate {
	return logon(func(c *certtest.Certificate) { c.Extensions = append(c.Extensions, certtest.Extension(oid, value)) })
}

func tagged(value []byte) []byte { return append([]byte{0xA0, byte(len(value))}, value...) }

func TestRequirementsHaveTheRowsOfTheTable(t *testing.T) {
	want := map[string][2]bool{ // required by the current and by the legacy column
		"crl-distribution-point":   {false, true},
		"key-usage":                {true, true},
		"basic-constraints":        {false, false},
		"eku":                      {false, true},
		"subject-alternative-name": {false, true},
		"subject":                  {false, true},
		"at-keyexchange":           {true, true},
		"crl":                      {false, false},
		"upn":                      {false, false},
	}
	for i, profile := range []rules.Profile{rules.Current, rules.Legacy} {
		got := map[string]bool{}
		for _, r := range rules.Requirements(certtest.Logon("a@x").DER(), profile) {
			got[r.Name] = r.Required
			assert.Contains(t, r.Reference(), "row "+r.Name+", column "+profile.String())
			assert.NotEmpty(t, r.Detail)
		}
		assert.Len(t, got, len(want))
		for name, required := range want {
			assert.Equal(t, required[i], got[name], "%s, %s", name, profile)
		}
		for _, r := range rules.Requirements(nil, profile) {
			assert.Equal(t, rules.Unknown, r.Verdict)
			assert.Contains(t, r.Detail, "rules: read certificate")
		}
	}
}

func TestRequirementAsJSON(t *testing.T) {
	text, err := rules.Requirements(with(ekuPlace, nil).DER(), rules.Legacy)[3].MarshalJSON()
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"name": "eku", "profile": "legacy", "required": true, "verdict": "failed",
		"detail": "no extended key usage; smart card logon is required",
		"reference": "Certificate requirements and enumeration, requirement table, row eku, column legacy"
	}`, string(text))
}
