package rules_test

import (
	"encoding/json"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the certificates of testdata anew")

// clock is the time of all checks.
var clock = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Key specifications that the container map of a card records.
var (
	exchange  = rules.KeySpec{Kind: rules.KeyExchange}
	signature = rules.KeySpec{Kind: rules.Signature}
)

// logon returns a certificate that is offered, changed by change.
func logon(change func(*certtest.Certificate)) certtest.Certificate {
	c := certtest.Logon("alice@example.com")
	change(&c)
	return c
}

// with returns a certificate that is offered, with one extension replaced, or
// removed if it is nil.
func with(place int, extension []byte) certtest.Certificate {
	return logon(func(c *certtest.Certificate) {
		if c.Extensions[place] = extension; extension == nil {
			c.Extensions = append(c.Extensions[:place:place], c.Extensions[place+1:]...)
		}
	})
}

// Places of extensions in certtest.Logon.
const (
	usagePlace = iota
	ekuPlace
	sanPlace
)

// A state is a certificate on which one rule has the verdict and every other rule
// passes.
type state struct {
	name    string
	rule    rules.Rule
	cert    certtest.Certificate
	spec    rules.KeySpec
	verdict rules.Verdict
	policy  string // waives the failure
	detail  string // part of the text
}

const (
	allowNoEKU     = "AllowCertificatesWithNoEKU"
	allowSignature = "AllowSignatureOnlyKeys"
	allowTime      = "AllowTimeInvalidCertificates"
	enumerateECC   = "EnumerateECCCerts"
	hintsNeeded    = "X509HintsNeeded"
)

var states = []state{
	{name: "in time", rule: rules.Validity, cert: certtest.Logon("alice@example.com"), verdict: rules.Passed, detail: "valid from 2020-01-01T00:00:00Z to 2049-12-31T23:59:59Z"},
	{name: "in its first second", rule: rules.Validity, cert: logon(func(c *certtest.Certificate) { c.NotBefore = certtest.UTCTime("260101000000Z") }), verdict: rules.Passed, detail: "valid from 2026-01-01T00:00:00Z"},
	{name: "in its last second", rule: rules.Validity, cert: logon(func(c *certtest.Certificate) { c.NotAfter = certtest.UTCTime("260101000000Z") }), verdict: rules.Passed, detail: "to 2026-01-01T00:00:00Z"},
	{name: "not yet valid", rule: rules.Validity, cert: logon(func(c *certtest.Certificate) { c.NotBefore = certtest.UTCTime("260101000001Z") }), verdict: rules.Failed, policy: allowTime, detail: "not valid before 2026-01-01T00:00:01Z; the clock says 2026-01-01T00:00:00Z"},
	{name: "expired", rule: rules.Validity, cert: logon(func(c *certtest.Certificate) { c.NotAfter = certtest.UTCTime("251231235959Z") }), verdict: rules.Failed, policy: allowTime, detail: "not valid after 2025-12-31T23:59:59Z"},
	{name: "notBefore cannot be read", rule: rules.Validity, cert: logon(func(c *certtest.Certificate) { c.NotBefore = certtest.GeneralizedTime("00000101000001Z") }), verdict: rules.Unknown, detail: "notBefore unparsed: 00000101000001Z"},
	{name: "notAfter cannot be read", rule: rules.Validity, cert: logon(func(c *certtest.Certificate) { c.NotAfter = certtest.UTCTime("\n") }), verdict: rules.Unknown, detail: `notAfter unparsed: "\n"`},

	{name: "of a file", rule: rules.KeySpecification, cert: certtest.Logon("alice@example.com"), verdict: rules.Passed, detail: "taken as one with AT_KEYEXCHANGE"},
	{name: "key exchange", rule: rules.KeySpecification, cert: certtest.Logon("alice@example.com"), spec: exchange, verdict: rules.Passed, detail: "AT_KEYEXCHANGE, says the container map"},
	{name: "key exchange, assumed", rule: rules.KeySpecification, cert: certtest.Logon("alice@example.com"), spec: rules.KeySpec{Kind: rules.KeyExchange, Assumed: "slot 9A"}, verdict: rules.Passed, detail: "AT_KEYEXCHANGE is assumed for slot 9A"},
	{name: "signature", rule: rules.KeySpecification, cert: certtest.Logon("alice@example.com"), spec: signature, verdict: rules.Failed, policy: allowSignature, detail: "AT_SIGNATURE, says the container map"},
	{name: "signature, assumed", rule: rules.KeySpecification, cert: certtest.Logon("alice@example.com"), spec: rules.KeySpec{Kind: rules.Signature, Assumed: "slot\n9C"}, verdict: rules.Failed, policy: allowSignature, detail: `AT_SIGNATURE is assumed for "slot\n9C"`},
	{name: "undefined key kind", rule: rules.KeySpecification, cert: certtest.Logon("alice@example.com"), spec: rules.KeySpec{Kind: 99}, verdict: rules.Unknown, detail: "key kind 99"},

	{name: "UPN", rule: rules.UPN, cert: certtest.Logon("alice@example.com"), verdict: rules.Passed, detail: `UPN "alice@example.com"`},
	{name: "two UPNs", rule: rules.UPN, cert: with(sanPlace, certtest.SAN(certtest.UPN("a@x"), certtest.UPN("b@x"))), verdict: rules.Passed, detail: `UPN "a@x", the first of 2 different ones, which is what Windows sends: "a@x", "b@x"`},
	{name: "RFC822 name", rule: rules.UPN, cert: with(sanPlace, certtest.SAN(certtest.Email("alice@example.com"))), verdict: rules.Passed, detail: "Active Directory would need a mapping"},
	{name: "two RFC822 names", rule: rules.UPN, cert: with(sanPlace, certtest.SAN(certtest.Email("a@x"), certtest.Email("b@x"))), verdict: rules.Passed, detail: `the first of 2 different ones, which is what Windows sends: "a@x", "b@x"`},
	{name: "only a subject", rule: rules.UPN, cert: with(sanPlace, nil), verdict: rules.Failed, policy: hintsNeeded, detail: `"CN=Alice" of the subject is not a name to sign in with`},
	{name: "only an address in the subject", rule: rules.UPN, cert: logon(func(c *certtest.Certificate) {
		c.Subject, c.Extensions = certtest.Name("E="+strings.Repeat("a", 99)), c.Extensions[:sanPlace]
	}), verdict: rules.Failed, policy: hintsNeeded, detail: `"E=` + strings.Repeat("a", 62) + `"... of the subject`},
	{name: "no name", rule: rules.UPN, cert: logon(func(c *certtest.Certificate) { c.Subject, c.Extensions = certtest.Sequence(), c.Extensions[:sanPlace] }), verdict: rules.Failed, policy: hintsNeeded, detail: "neither a UPN nor an RFC822 name"},
	{name: "a SAN without either", rule: rules.UPN, cert: with(sanPlace, certtest.SAN(certtest.GeneralName(2, "example.com"))), verdict: rules.Failed, policy: hintsNeeded, detail: "neither a UPN nor an RFC822 name"},
	{name: "malformed UPN", rule: rules.UPN, cert: with(sanPlace, certtest.SAN(certtest.UPN("alice\n"), certtest.Email("alice@example.com"))), verdict: rules.Unknown, detail: `userPrincipalName at byte 475: "alice\n"`},
	{name: "SAN twice", rule: rules.UPN, cert: logon(func(c *certtest.Certificate) { c.Extensions = append(c.Extensions, certtest.SAN(certtest.UPN("b@x"))) }), verdict: rules.Unknown, detail: "a second extension 2.5.29.17"},

	{name: "digitalSignature", rule: rules.KeyUsage, cert: certtest.Logon("alice@example.com"), verdict: rules.Passed, detail: "digitalSignature"},
	{name: "digitalSignature among others", rule: rules.KeyUsage, cert: with(usagePlace, certtest.KeyUsage(5, 0xA0)), verdict: rules.Passed, detail: "digitalSignature, keyEncipherment"},
	{name: "no digitalSignature", rule: rules.KeyUsage, cert: with(usagePlace, certtest.KeyUsage(5, 0x20)), verdict: rules.Failed, detail: "no digitalSignature among [keyEncipherment]"},
	{name: "no bit of key usage", rule: rules.KeyUsage, cert: with(usagePlace, certtest.KeyUsage(0)), verdict: rules.Failed, detail: "no digitalSignature among []"},
	{name: "no key usage", rule: rules.KeyUsage, cert: with(usagePlace, nil), verdict: rules.Failed, detail: "no key usage extension"},
	{name: "key usage cannot be read", rule: rules.KeyUsage, cert: with(usagePlace, certtest.KeyUsage()), verdict: rules.Unknown, detail: "key usage: byte"},
	{name: "key usage twice", rule: rules.KeyUsage, cert: logon(func(c *certtest.Certificate) { c.Extensions = append(c.Extensions, certtest.DigitalSignature()) }), verdict: rules.Unknown, detail: "a second extension 2.5.29.15"},

	{name: "smart card logon", rule: rules.EKU, cert: with(ekuPlace, certtest.EKU(certtest.SmartCardLogon)), verdict: rules.Passed, detail: "smart card logon"},
	{name: "smart card logon after others", rule: rules.EKU, cert: with(ekuPlace, certtest.EKU("1.2.3", certtest.AnyPurpose, certtest.SmartCardLogon)), verdict: rules.Passed, detail: "smart card logon"},
	{name: "no extended key usage", rule: rules.EKU, cert: with(ekuPlace, nil), verdict: rules.Failed, policy: allowNoEKU, detail: "step (e) of the enumeration and the policy text decided"},
	{name: "client authentication", rule: rules.EKU, cert: with(ekuPlace, certtest.EKU(certtest.ClientAuth)), verdict: rules.Failed, policy: allowNoEKU, detail: "1.3.6.1.5.5.7.3.2, no smart card logon; the policy text decided"},
	{name: "all purposes", rule: rules.EKU, cert: with(ekuPlace, certtest.EKU("1.2.3", certtest.AnyPurpose)), verdict: rules.Failed, policy: allowNoEKU, detail: "1.2.3, 2.5.29.37.0, no smart card logon"},
	{name: "other purposes", rule: rules.EKU, cert: with(ekuPlace, certtest.EKU("1.3.6.1.5.5.7.3.4")), verdict: rules.Failed, detail: "1.3.6.1.5.5.7.3.4, neither smart card logon"},
	{name: "very many other purposes", rule: rules.EKU, cert: with(ekuPlace, certtest.EKU("1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5", "1.2.6", "1.2.7", "1.2.8", "1.2.9", "1.2.10")), verdict: rules.Failed, detail: "1.2.8 and 2 more"},
	{name: "extended key usage is empty", rule: rules.EKU, cert: with(ekuPlace, certtest.EKU()), verdict: rules.Unknown, detail: "extended key usage: byte 424: extended key usage names no purpose"},
	{name: "extended key usage twice", rule: rules.EKU, cert: logon(func(c *certtest.Certificate) {
		c.Extensions = append(c.Extensions, certtest.EKU(certtest.SmartCardLogon))
	}), verdict: rules.Unknown, detail: "a second extension 2.5.29.37"},

	{name: "RSA", rule: rules.ECC, cert: certtest.Logon("alice@example.com"), verdict: rules.Passed, detail: "RSA"},
	{name: "P-256", rule: rules.ECC, cert: withKey(certtest.ECKey("1.2.840.10045.3.1.7")), verdict: rules.Failed, policy: enumerateECC, detail: "EC key on P-256"},
	{name: "P-384", rule: rules.ECC, cert: withKey(certtest.ECKey("1.3.132.0.34")), verdict: rules.Failed, policy: enumerateECC, detail: "EC key on P-384"},
	{name: "P-521", rule: rules.ECC, cert: withKey(certtest.ECKey("1.3.132.0.35")), verdict: rules.Failed, policy: enumerateECC, detail: "EC key on P-521"},
	{name: "another curve", rule: rules.ECC, cert: withKey(certtest.ECKey("1.3.132.0.10")), verdict: rules.Failed, detail: "curve 1.3.132.0.10 is neither RSA nor"},
	{name: "a curve without a name", rule: rules.ECC, cert: withKey(certtest.Key("1.2.840.10045.2.1", certtest.Sequence(), nil)), verdict: rules.Failed, detail: "a curve without a name is neither RSA nor"},
	{name: "Ed25519", rule: rules.ECC, cert: withKey(certtest.Key("1.3.101.112", nil, nil)), verdict: rules.Failed, detail: "key algorithm 1.3.101.112 is neither RSA nor"},
	{name: "RSA for PSS alone", rule: rules.ECC, cert: withKey(certtest.Key("1.2.840.113549.1.1.10", nil, nil)), verdict: rules.Failed, detail: "key algorithm 1.2.840.113549.1.1.10 is neither RSA nor"},
	{name: "key cannot be read", rule: rules.ECC, cert: withKey(certtest.Sequence()), verdict: rules.Unknown, detail: "public key: byte"},
}

func withKey(key []byte) certtest.Certificate {
	return logon(func(c *certtest.Certificate) { c.Key = key })
}

// everyRule lists the rules in the order of Check.
var everyRule = []rules.Rule{rules.Validity, rules.KeySpecification, rules.UPN, rules.KeyUsage, rules.EKU, rules.ECC}

func TestEachRuleAlone(t *testing.T) {
	for _, s := range states {
		t.Run(s.name, func(t *testing.T) {
			der := s.cert.DER()
			findings := rules.Check(der, s.spec, rules.Policy{}, clock)
			require.Len(t, findings, len(everyRule))
			assert.NoError(t, findings.Err())
			for i, f := range findings {
				assert.Equal(t, everyRule[i], f.Rule)
				assert.NotEmpty(t, f.Detail())
				assert.Equal(t, f.Verdict == rules.Passed, f.Remedy() == "", f.Remedy())
				if f.Rule != s.rule {
					assert.Equal(t, rules.Passed, f.Verdict, "%s: %s", f.Rule, f.Detail())
					continue
				}
				assert.Equal(t, s.verdict, f.Verdict)
				assert.Equal(t, s.policy, f.Policy)
				assert.Contains(t, f.Detail(), s.detail)
			}
			assert.Equal(t, s.verdict == rules.Passed, findings.Offered())

			needed, ok := findings.PoliciesNeeded()
			assert.Equal(t, s.verdict == rules.Passed || s.policy != "", ok)
			if s.policy != "" {
				assert.Equal(t, []string{s.policy}, needed)
				var p rules.Policy
				require.NoError(t, p.Set(s.policy+"=1"))
				findings = rules.Check(der, s.spec, p, clock)
				assert.True(t, findings.Offered())
				waived := findings[ruleIndex(s.rule)]
				assert.Equal(t, rules.Waived, waived.Verdict)
				assert.Equal(t, s.policy, waived.Policy)
				needed, ok = findings.PoliciesNeeded()
				assert.True(t, ok)
			}
			assert.Equal(t, s.policy == "" || len(needed) == 0, len(needed) == 0)
		})
	}
}

func ruleIndex(rule rules.Rule) int {
	for i, r := range everyRule {
		if r == rule {
			return i
		}
	}
	return -1
}

func TestEveryRuleHasAStateOfEveryVerdict(t *testing.T) {
	for _, rule := range everyRule {
		seen := map[rules.Verdict]bool{}
		for _, s := range states {
			if s.rule == rule {
				seen[s.verdict] = true
			}
		}
		assert.Len(t, seen, 3, rule)
	}
}

func TestNamesAreReadWhateverRuleFails(t *testing.T) {
	for _, s := range states {
		switch s.rule {
		case rules.Validity, rules.KeyUsage, rules.EKU, rules.ECC:
			t.Run("K6 "+s.name, func(t *testing.T) {
				c, err := rules.Read(s.cert.DER())
				require.NoError(t, err)
				assert.Equal(t, upn.Names{UPNs: []string{"alice@example.com"}}, c.Names())
			})
		}
	}
}

func TestExtensionThatNoRuleReadsMayBeRepeated(t *testing.T) {
	c := certtest.Logon("alice@example.com")
	c.Extensions = append(c.Extensions, certtest.Extension("1.2.3", nil), certtest.Extension("1.2.3", nil))
	assert.True(t, rules.Check(c.DER(), exchange, rules.Policy{}, clock).Offered())
}

func TestMalformedExtensionList(t *testing.T) {
	c := certtest.Logon("alice@example.com")
	c.Extensions = append(c.Extensions, ber.Append(nil, ber.Null, nil))
	for _, f := range rules.Check(c.DER(), exchange, rules.Policy{}, clock) {
		switch f.Rule {
		case rules.UPN, rules.KeyUsage, rules.EKU:
			assert.Equal(t, rules.Unknown, f.Verdict, f.Rule)
		default:
			assert.Equal(t, rules.Passed, f.Verdict, f.Rule)
		}
	}
}

func TestCertificateThatCannotBeParsed(t *testing.T) {
	whole := certtest.Logon("alice@example.com").DER()
	for name, der := range map[string][]byte{
		"nothing":                     nil,
		"cut short":                   whole[:100],
		"bytes after the certificate": append(whole[:len(whole):len(whole)], 0),
	} {
		t.Run(name, func(t *testing.T) {
			every := rules.Policy{}
			require.NoError(t, every.Set("AllowCertificatesWithNoEKU=1,AllowSignatureOnlyKeys=1,AllowTimeInvalidCertificates=1,EnumerateECCCerts=1,X509HintsNeeded=1"))
			findings := rules.Check(der, exchange, every, clock)
			require.Len(t, findings, len(everyRule))
			for i, f := range findings {
				assert.Equal(t, everyRule[i], f.Rule)
				assert.Equal(t, rules.Unknown, f.Verdict)
				assert.ErrorContains(t, findings.Err(), f.Detail())
			}
			assert.False(t, findings.Offered())
			_, ok := findings.PoliciesNeeded()
			assert.False(t, ok)
			_, err := rules.Read(der)
			assert.EqualError(t, err, findings.Err().Error())
		})
	}
}

func TestZeroFindings(t *testing.T) {
	assert.False(t, rules.Findings(nil).Offered())
	assert.NoError(t, rules.Findings(nil).Err())
	_, ok := rules.Findings(nil).PoliciesNeeded()
	assert.False(t, ok)
	assert.False(t, rules.Findings{{}}.Offered())
	assert.NoError(t, rules.Findings{{}}.Err())
	assert.Empty(t, rules.Finding{}.Detail())
	assert.Empty(t, rules.Finding{}.Remedy())
}

func TestPoliciesNeededNamesOneForEachRule(t *testing.T) {
	c := certtest.Certificate{NotAfter: certtest.UTCTime("210101000000Z"), Key: certtest.ECKey("1.3.132.0.34"), Extensions: [][]byte{certtest.DigitalSignature()}}
	findings := rules.Check(c.DER(), signature, rules.Policy{X509HintsNeeded: true}, clock)
	needed, ok := findings.PoliciesNeeded()
	assert.True(t, ok)
	assert.Equal(t, []string{allowTime, allowSignature, allowNoEKU, enumerateECC}, needed)

	c.Extensions = nil // no policy waives a missing key usage
	_, ok = rules.Check(c.DER(), signature, rules.Policy{}, clock).PoliciesNeeded()
	assert.False(t, ok)
}

func TestFindingAsJSON(t *testing.T) {
	findings := rules.Check(withKey(certtest.ECKey("1.3.132.0.34")).DER(), exchange, rules.Policy{}, clock)
	text, err := json.Marshal(findings[4:])
	require.NoError(t, err)
	assert.JSONEq(t, `[
		{"rule": "eku", "verdict": "passed", "detail": "smart card logon (1.3.6.1.4.1.311.20.2.2)"},
		{"rule": "ecc", "verdict": "failed", "detail": "EC key on P-384", "policy": "EnumerateECCCerts",
		 "remedy": "use a certificate with an RSA key; or set the policy EnumerateECCCerts: certificates with elliptic curve keys are listed"}
	]`, string(text))
}

func TestDate(t *testing.T) {
	c, err := rules.Read(logon(func(c *certtest.Certificate) {
		c.NotBefore, c.NotAfter = certtest.GeneralizedTime("20200229120000Z"), certtest.UTCTime(strings.Repeat("9", 99))
	}).DER())
	require.NoError(t, err)
	assert.Equal(t, time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC), c.NotBefore().Time())
	assert.True(t, c.NotAfter().Time().IsZero())
	text, err := json.Marshal([]rules.Date{c.NotBefore(), c.NotAfter()})
	require.NoError(t, err)
	assert.JSONEq(t, `["2020-02-29T12:00:00Z", "unparsed: `+strings.Repeat("9", 64)+`..."]`, string(text))
}

func TestFields(t *testing.T) {
	c, err := rules.Read(logon(func(c *certtest.Certificate) { c.Issuer = certtest.Name("C=DE", "CN=CA") }).DER())
	require.NoError(t, err)
	assert.Equal(t, "CN=Alice", c.Subject())
	assert.Equal(t, "CN=CA,C=DE", c.Issuer())
	assert.Equal(t, []string{"alice@example.com"}, c.Names().UPNs)
	usage, err := c.KeyUsage()
	assert.NoError(t, err)
	assert.Equal(t, []string{"digitalSignature"}, usage)
	purposes, err := c.ExtendedKeyUsage()
	assert.NoError(t, err)
	assert.Equal(t, []string{certtest.ClientAuth, certtest.SmartCardLogon}, purposes)

	c, err = rules.Read(certtest.Certificate{}.DER())
	require.NoError(t, err)
	usage, err = c.KeyUsage()
	assert.NoError(t, err)
	assert.Nil(t, usage)
	purposes, err = c.ExtendedKeyUsage()
	assert.NoError(t, err)
	assert.Nil(t, purposes)

	c, err = rules.Read(certtest.Certificate{Extensions: [][]byte{certtest.KeyUsage(), certtest.EKU()}}.DER())
	require.NoError(t, err)
	_, err = c.KeyUsage()
	assert.EqualError(t, err, "rules: key usage: byte 411: bit string without its count of unused bits")
	_, err = c.ExtendedKeyUsage()
	assert.EqualError(t, err, "rules: extended key usage: byte 422: extended key usage names no purpose")
}

// TestTestdata compares the certificate files in testdata, one for each state, with
// the states.
func TestTestdata(t *testing.T) {
	for _, s := range states {
		if s.rule == rules.KeySpecification {
			continue // not part of a file
		}
		name := strings.ReplaceAll(string(s.rule)+" "+s.name, " ", "-")
		path := filepath.Join("testdata", name+".pem")
		want := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.DER()})
		if *update {
			require.NoError(t, os.WriteFile(path, want, 0o644))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s: run this test with -update", path)
	}
}
