package explain

import (
	"testing"

	"github.com/smartlogon/smartlogon/internal/vectors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestVectors compares the output for certificates of other projects with what
// independent parsers read in them, and with the verdicts worked out from the rules.
func TestVectors(t *testing.T) {
	var expected struct {
		Certificates map[string]struct {
			Subject   *string
			NotBefore string                   `json:"not_before"`
			NotAfter  string                   `json:"not_after"`
			KeyUsage  *struct{ Bits []string } `json:"key_usage"`
			EKU       *struct{ OIDs []string } `json:"ext_key_usage"`
		}
	}
	vectors.Read(t, "expected.json", &expected)
	var verdicts struct {
		Policies     []string
		Certificates map[string]map[string]map[string]string
	}
	vectors.Read(t, "verdicts.json", &verdicts)
	names := vectors.ExpectedNames(t)

	certificates := vectors.Certificates(t)
	for column, policies := range map[string][]string{"default": nil, "every policy": verdicts.Policies} {
		args := []string{"-json", "-at", at}
		for _, p := range policies {
			args = append(args, "-policy", p+"=1")
		}
		for _, c := range certificates {
			args = append(args, c.Path)
		}
		out, err := explain(t, args...)
		require.NoError(t, err, "each certificate is readable")
		list := objects(t, out)
		require.Len(t, list, len(certificates))
		compared := 0
		for i, c := range certificates {
			o, want := list[i], expected.Certificates[c.Name]
			require.Equal(t, c.Path, o.Source)
			require.Empty(t, o.Error, c.Name)
			if o.SignInNameSource == "malformed" {
				assert.Empty(t, o.UPN, c.Name)
				assert.Empty(t, o.RFC822, c.Name)
			} else {
				assert.Equal(t, orEmpty(names[c.Name].UPNs), o.UPN, c.Name)
				assert.Equal(t, orEmpty(names[c.Name].Emails), o.RFC822, c.Name)
			}
			if want.Subject != nil {
				assert.Equal(t, *want.Subject, o.Subject, c.Name)
			}
			assert.Equal(t, want.NotBefore, o.NotBefore, c.Name)
			assert.Equal(t, want.NotAfter, o.NotAfter, c.Name)
			var usage, purposes []string
			if want.KeyUsage != nil {
				usage = want.KeyUsage.Bits
			}
			if want.EKU != nil {
				purposes = want.EKU.OIDs
			}
			assert.Equal(t, orEmpty(usage), o.KeyUsage, c.Name)
			assert.Equal(t, orEmpty(purposes), o.EKU, c.Name)
			for _, f := range o.Findings {
				if want, sure := verdicts.Certificates[c.Name][f.Rule]; sure {
					compared++
					assert.Equal(t, want[column], f.Verdict, "%s: %s: %s", c.Name, f.Rule, f.Detail)
				}
			}
		}
		t.Logf("%s: %d certificates, %d verdicts compared", column, len(certificates), compared)
		assert.NotZero(t, compared)
	}
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
