package mapping_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// randomDN returns a short name of characters that are special in names.
func randomDN(r *rand.Rand) dn {
	const letters = `a ,+="<S>#;O.`
	types := []string{cn, org, ou, uid, "1.2"}
	n := make(dn, 1+r.IntN(2))
	for i := range n {
		n[i] = make([]attr, 1+r.IntN(2))
		for j := range n[i] {
			value := make([]byte, r.IntN(5))
			for k := range value {
				value[k] = letters[r.IntN(len(letters))]
			}
			n[i][j] = attr{oid: types[r.IntN(len(types))], value: string(value)}
		}
	}
	return n
}

// TestPreferredNamesAreUnique checks that different names have different preferred
// spellings, and that Parse reads each spelling.
func TestPreferredNamesAreUnique(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]string{}
	for range 6000 {
		subject := randomDN(r)
		list, err := mapping.Of(spec{subject: subject, key: key, issuer: rdns(cn, "a")}.make(t), mapping.ActiveDirectory)
		require.NoError(t, err)
		for _, s := range list {
			m, err := mapping.Parse(s.String())
			require.NoError(t, err)
			require.Equal(t, s.Mapping, m)
			if s.Kind != mapping.Subject || !s.Preferred {
				continue
			}
			name := fmt.Sprint(subject)
			if other, ok := seen[s.Value]; ok {
				require.Equal(t, other, name, s.Value)
			}
			seen[s.Value] = name
		}
	}
	assert.Greater(t, len(seen), 3000)
}

// key is a SubjectPublicKeyInfo of an unknown algorithm.
var key = sequence(sequence(identifier("1.2.3")), []byte{3, 2, 0, 1})

// FuzzParse checks that String returns the text that was parsed.
func FuzzParse(f *testing.F) {
	f.Add(bobSKI)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := mapping.Parse(s)
		if err != nil {
			if m != (mapping.Mapping{}) {
				t.Fatalf("%q: error with mapping %v", s, m)
			}
			return
		}
		if m.String() != s || m.Kind.String() == "none" || m.Value == "" {
			t.Fatalf("%q was parsed as %q", s, m)
		}
	})
}

// FuzzOf checks for any input that Parse reads each spelling, that the first of
// each kind and no other is preferred, that spellings have no control characters,
// and that a spelling matches the certificate by its own kind only.
func FuzzOf(f *testing.F) {
	for _, der := range rareCertificates(f) {
		f.Add(der)
	}
	f.Add(fullCertificate(f))
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, d := range []mapping.Dialect{mapping.Entra, mapping.ActiveDirectory} {
			list, _ := mapping.Of(der, d)
			kinds := map[mapping.Kind]bool{}
			for _, s := range list {
				m, err := mapping.Parse(s.String())
				if err != nil || m != s.Mapping {
					t.Fatalf("%q was parsed as %v, %v", s, m, err)
				}
				if s.Preferred == kinds[s.Kind] {
					t.Fatalf("%v: first and preferred differ", s.Kind)
				}
				kinds[s.Kind] = true
				for _, r := range s.String() {
					if r == utf8.RuneError || unicode.IsControl(r) {
						t.Fatalf("%q", s)
					}
				}
				if d == mapping.Entra {
					checkMatch(t, der, s)
				}
			}
		}
	})
}

// checkMatch checks that a stored spelling satisfies the binding of its kind, unless
// it is ambiguous, and no other binding.
func checkMatch(t *testing.T, der []byte, s mapping.Spelling) {
	a := mapping.Account{CertificateUserIDs: []string{s.String()}}
	m, err := mapping.Match(a, []mapping.Binding{{Field: s.Kind, Attribute: mapping.CertificateUserIDs}}, der, s.Strong())
	if err == nil && m != s.Mapping {
		t.Fatalf("%q matches as %q", s, m)
	}
	if s.Doubt&(mapping.Quoting|mapping.Blanks) != 0 && !s.Preferred && err == nil {
		t.Fatalf("%q matches although it is ambiguous", s)
	}
	for k := mapping.PrincipalName; k <= mapping.IssuerSerial; k++ {
		if k == s.Kind {
			continue
		}
		if _, err := mapping.Match(a, []mapping.Binding{{Field: k, Attribute: mapping.CertificateUserIDs}}, der, false); err == nil {
			t.Fatalf("%q matches as %v", s, k)
		}
	}
}

// TestAllocationsOfOf keeps Of from reading names and certificates again.
func TestAllocationsOfOf(t *testing.T) {
	der := fullCertificate(t)
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		_, _ = mapping.Of(der, mapping.Entra)
	}), 125.0)
}

func BenchmarkOf(b *testing.B) {
	der := fullCertificate(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mapping.Of(der, mapping.Entra); err != nil {
			b.Fatal(err)
		}
	}
}
