package rules_test

import (
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// expectation is what an independent reader found in one certificate.
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

// vectors is the folder with certificates of other projects. Without it there
// is nothing to compare with; with it, nothing may be missing.
func vectors(t *testing.T) string {
	dir := os.Getenv("SMARTLOGON_VECTORS")
	if dir == "" {
		t.Skip("SMARTLOGON_VECTORS is not set: certificates of other projects are not compared")
	}
	return dir
}

func readJSON(t *testing.T, file string, into any) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

// eachVector calls f with every certificate of certs and piv-cards.
func eachVector(t *testing.T, f func(t *testing.T, name string, der []byte)) {
	dir := vectors(t)
	n := 0
	for _, part := range []string{"certs", "piv-cards"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(dir, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".pem") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			block, _ := pem.Decode(text)
			require.NotNil(t, block, name)
			n++
			t.Run(name, func(t *testing.T) { f(t, filepath.ToSlash(name), block.Bytes) })
			return nil
		}))
	}
	require.NotZero(t, n, "no certificate in %s", dir)
}

func TestFieldsEqualThoseOfAnIndependentReader(t *testing.T) {
	var expected struct {
		Certificates map[string]expectation `json:"certificates"`
	}
	readJSON(t, filepath.Join(vectors(t), "expected.json"), &expected)
	eachVector(t, func(t *testing.T, name string, der []byte) {
		want, ok := expected.Certificates[name]
		require.True(t, ok, "no expectation")
		c, err := rules.Read(der)
		require.NoError(t, err)
		if want.Subject != nil {
			assert.Equal(t, *want.Subject, c.Subject())
		}
		assert.Equal(t, want.NotBefore, c.NotBefore().String())
		assert.Equal(t, want.NotAfter, c.NotAfter().String())

		var upns, emails []string
		names := c.Names()
		if want.SAN != nil && names.Err == nil {
			assert.Empty(t, want.SAN.Malformed)
			for _, v := range want.SAN.UPN {
				upns = append(upns, v.Value)
			}
			emails = want.SAN.RFC822
		}
		assert.Equal(t, upns, names.UPNs)
		assert.Equal(t, emails, names.Emails)

		usage, err := c.KeyUsage()
		if want.KeyUsage == nil {
			assert.Nil(t, usage)
			assert.NoError(t, err)
		} else {
			assert.Equal(t, want.KeyUsage.Bits, usage)
		}
		purposes, err := c.ExtendedKeyUsage()
		if err == nil {
			var oids []string
			if want.EKU != nil {
				oids = want.EKU.OIDs
			}
			assert.Equal(t, oids, purposes)
		} else {
			assert.Empty(t, want.EKU.OIDs)
		}
	})
}

func TestVerdictsEqualThoseOfAnIndependentProgram(t *testing.T) {
	var expected struct {
		At           time.Time                                          `json:"at"`
		Policies     []string                                           `json:"policies"`
		Certificates map[string]map[rules.Rule]map[string]rules.Verdict `json:"certificates"`
	}
	readJSON(t, filepath.Join(vectors(t), "verdicts.json"), &expected)
	require.Len(t, expected.Policies, 5)
	every := rules.Policy{
		AllowTimeInvalidCertificates: true, AllowSignatureOnlyKeys: true, X509HintsNeeded: true,
		AllowCertificatesWithNoEKU: true, EnumerateECCCerts: true,
	}
	compared := 0
	eachVector(t, func(t *testing.T, name string, der []byte) {
		for column, policy := range map[string]rules.Policy{"default": {}, "every policy": every} {
			found := rules.Check(der, rules.FromFile, policy, expected.At)
			require.Len(t, found, 6)
			assert.NoError(t, found.Err())
			for _, f := range found {
				want, ok := expected.Certificates[name][f.Rule]
				if !ok {
					continue // in doubt for this file
				}
				compared++
				assert.Equal(t, want[column], f.Verdict, "%s, %s: %s", f.Rule, column, f.Detail())
			}
		}
	})
	assert.NotZero(t, compared)
}
