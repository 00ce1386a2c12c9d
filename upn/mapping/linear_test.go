package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sizes are the numbers of items for which time and allocations must be linear.
var sizes = []int{1_000, 10_000, 100_000}

// linear are the operations whose input is a list of any length.
var linear = map[string]func(t testing.TB, n int) func(){
	"ParseNameRules": func(t testing.TB, n int) func() {
		text := nameRules(n)
		return func() {
			rules, err := mapping.ParseNameRules(text)
			require.NoError(t, err)
			require.Len(t, rules, n)
		}
	},
	"NamePolicy": func(t testing.TB, n int) func() {
		rules, err := mapping.ParseNameRules(nameRules(n))
		require.NoError(t, err)
		der := spec{key: key, extensions: [][]byte{san(upnName("bob@contoso.com")), policies("1.2.3")}}.make(t)
		ca := spec{key: key, subject: rdns(dc, "com", dc, "contoso", cn, "CONTOSO-DC-CA")}.make(t)
		a := mapping.Account{UPN: "bob@contoso.com"}
		return func() {
			j, err := mapping.Controller{NamePolicy: rules}.Judge(a, der, ca)
			require.NoError(t, err)
			require.Equal(t, mapping.WeakRefused, j.Answer)
		}
	},
	"Parse": func(t testing.TB, n int) func() {
		values := storedValues(n)
		return func() {
			for _, v := range values {
				_, _ = mapping.Parse(v)
			}
		}
	},
	"Match": func(t testing.TB, n int) func() {
		der, a := storedDER(t), mapping.Account{CertificateUserIDs: storedValues(n)}
		var bindings []mapping.Binding
		for k := mapping.PrincipalName; k < mapping.IssuerSID; k++ {
			bindings = append(bindings, mapping.Binding{Field: k, Attribute: mapping.CertificateUserIDs})
		}
		return func() {
			_, err := mapping.Match(a, bindings, der, false)
			require.ErrorIs(t, err, mapping.ErrNoMatch)
		}
	},
	"Judge": func(t testing.TB, n int) func() {
		der, a := storedDER(t), mapping.Account{AltSecurityIdentities: storedValues(n)}
		return func() {
			j, err := mapping.Controller{}.Judge(a, der, nil)
			require.NoError(t, err)
			require.Equal(t, mapping.NoMapping, j.Answer)
		}
	},
}

func nameRules(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "%040x; 1.2.3, 1.2.4; UpnSuffix=contoso.com, IssuerSubject\n", i)
	}
	return text.String()
}

// storedValues returns n values of every kind, some malformed.
func storedValues(n int) []string {
	forms := []string{
		"X509:<I>" + storedIssuer + "<SR>%08x", "X509:<SKI>%08x", "X509:<S>DC=com,CN=%d", "X509:<I>CN=Test CA<S>CN=%d",
		"X509:<PN>a%d@contoso.com", "X509:<RFC822>a%d@contoso.com", "X509:<SHA1-PUKEY>%040x", "X509:<I>CN=a<SID>S-1-5-21-%d",
		"x509:<SKI>%08x", "X509:<SKI>%08x\n",
	}
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(forms[i%len(forms)], i)
	}
	return list
}

func TestAllocationsAreLinear(t *testing.T) {
	for name, setup := range linear {
		t.Run(name, func(t *testing.T) {
			var perItem []float64
			for _, n := range sizes[:2] {
				f := setup(t, n)
				perItem = append(perItem, testing.AllocsPerRun(1, f)/float64(n))
			}
			assert.InDelta(t, perItem[0], perItem[1], 0.1*perItem[0]+0.02)
		})
	}
}

func BenchmarkLinear(b *testing.B) {
	for name, setup := range linear {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				f := setup(b, n)
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
			})
		}
	}
}
