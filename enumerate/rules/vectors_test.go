package rules_test

import (
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/vectors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// expectation has the fields that an independent reader found in a certificate.
type expectation struct {
	Subject   *string `json:"subject"`
	NotBefore string  `json:"not_before"`
	NotAfter  string  `json:"not_after"`
	SAN       *struct {
		UPN []struct {
			Value string `json:"value"`
		} `json:"upn"`
		RFC822    []string `json:"rfc822"`
		Malformed string   `json:"malformed"`
	} `json:"san"`
	KeyUsage *struct {
		Bits []string `json:"bits"`
	} `json:"key_usage"`
	EKU *struct {
		OIDs []string `json:"oids"`
	} `json:"ext_key_usage"`
}

func TestFieldsEqualThoseOfAnIndependentReader(t *testing.T) {
	var expected struct {
		Certificates map[string]expectation `json:"certificates"`
	}
	vectors.Read(t, "expected.json", &expected)
	for _, v := range vectors.Certificates(t) {
		want, ok := expected.Certificates[v.Name]
		require.True(t, ok, "no expectation for %s", v.Name)
		c, err := rules.Read(v.DER)
		require.NoError(t, err, v.Name)
		if want.Subject != nil {
			assert.Equal(t, *want.Subject, c.Subject(), v.Name)
		}
		assert.Equal(t, want.NotBefore, c.NotBefore().String(), v.Name)
		assert.Equal(t, want.NotAfter, c.NotAfter().String(), v.Name)

		var upns, emails []string
		names := c.Names()
		if want.SAN != nil && names.Err == nil {
			assert.Empty(t, want.SAN.Malformed, v.Name)
			for _, v := range want.SAN.UPN {
				upns = append(upns, v.Value)
			}
			emails = want.SAN.RFC822
		}
		assert.Equal(t, upns, names.UPNs, v.Name)
		assert.Equal(t, emails, names.Emails, v.Name)

		usage, err := c.KeyUsage()
		if want.KeyUsage == nil {
			assert.Nil(t, usage, v.Name)
			assert.NoError(t, err, v.Name)
		} else {
			assert.Equal(t, want.KeyUsage.Bits, usage, v.Name)
		}
		purposes, err := c.ExtendedKeyUsage()
		if err == nil {
			var oids []string
			if want.EKU != nil {
				oids = want.EKU.OIDs
			}
			assert.Equal(t, oids, purposes, v.Name)
		} else {
			assert.Empty(t, want.EKU.OIDs, v.Name)
		}
	}
}

func TestVerdictsEqualThoseOfAnIndependentProgram(t *testing.T) {
	var expected struct {
		At           time.Time                                          `json:"at"`
		Policies     []string                                           `json:"policies"`
		Certificates map[string]map[rules.Rule]map[string]rules.Verdict `json:"certificates"`
	}
	vectors.Read(t, "verdicts.json", &expected)
	require.Len(t, expected.Policies, 5)
	every := rules.Policy{
		AllowTimeInvalidCertificates: true, AllowSignatureOnlyKeys: true, X509HintsNeeded: true,
		AllowCertificatesWithNoEKU: true, EnumerateECCCerts: true,
	}
	compared := 0
	for _, v := range vectors.Certificates(t) {
		for column, policy := range map[string]rules.Policy{"default": {}, "every policy": every} {
			findings := rules.Check(v.DER, rules.KeySpec{}, policy, expected.At)
			require.Len(t, findings, 6)
			assert.NoError(t, findings.Err())
			for _, f := range findings {
				want, ok := expected.Certificates[v.Name][f.Rule]
				if !ok {
					continue // the program leaves it open
				}
				compared++
				assert.Equal(t, want[column], f.Verdict, "%s: %s, %s: %s", v.Name, f.Rule, column, f.Detail())
			}
		}
	}
	assert.NotZero(t, compared)
}
