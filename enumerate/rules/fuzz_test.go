package rules_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// FuzzCheck asserts that the order of the extensions does not change the findings,
// that a certificate without a name is not offered unless a policy waives that,
// and that a policy never makes a verdict worse.
func FuzzCheck(f *testing.F) {
	for _, s := range states {
		f.Add(s.cert.DER(), uint8(s.spec.Kind))
	}
	f.Fuzz(func(t *testing.T, der []byte, kind uint8) {
		spec := rules.KeySpec{Kind: rules.KeyKind(kind)}
		findings := rules.Check(der, spec, rules.Policy{}, clock)
		every := rules.Check(der, spec, rules.Policy{
			AllowCertificatesWithNoEKU: true, AllowSignatureOnlyKeys: true, AllowTimeInvalidCertificates: true, EnumerateECCCerts: true, X509HintsNeeded: true,
		}, clock)
		for i, f := range findings {
			with := every[i]
			switch f.Verdict {
			case rules.Passed, rules.Unknown:
				if with.Verdict != f.Verdict {
					t.Fatalf("%s: %s turns into %s", f.Rule, f.Verdict, with.Verdict)
				}
			case rules.Failed:
				if (with.Verdict == rules.Waived) != (f.Policy != "") {
					t.Fatalf("%s: policy %q makes it %s", f.Rule, f.Policy, with.Verdict)
				}
			default:
				t.Fatalf("%s is %s with no policy", f.Rule, f.Verdict)
			}
			for _, text := range []string{f.Detail(), f.Remedy()} {
				if len(text) > 20_000 || bytes.ContainsFunc([]byte(text), func(r rune) bool { return r < ' ' }) {
					t.Fatalf("%q is not one line of text", text)
				}
			}
		}
		if needed, ok := findings.PoliciesNeeded(); ok != every.Offered() || ok && (len(needed) == 0) != findings.Offered() {
			t.Fatalf("policies needed: %v, %v", needed, ok)
		}
		if got, want := rules.Inspect(der).Names(), upn.Read(der); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, and package upn reads %+v", got, want)
		}
		c, err := rules.Read(der)
		if (err == nil) != (findings.Err() == nil) {
			t.Fatalf("%v and %v", err, findings.Err())
		}
		if err != nil {
			return
		}
		if names := c.Names(); findings[2].Verdict == rules.Passed && len(names.UPNs) == 0 && len(names.Emails) == 0 {
			t.Fatal("passed without a name")
		}
		other, ok := reversed(der)
		if ok && summary(rules.Check(other, spec, rules.Policy{}, clock)) != summary(findings) {
			t.Fatalf("%s\nand with the extensions in reverse\n%s", summary(findings), summary(rules.Check(other, spec, rules.Policy{}, clock)))
		}
	})
}

// summary returns the findings without byte offsets. The text of an unknown verdict
// is left out: it is about the first of several faults.
func summary(findings rules.Findings) string {
	text := ""
	for _, f := range findings {
		text += fmt.Sprint(f.Rule, " ", f.Verdict, " ", f.Policy)
		if f.Verdict != rules.Unknown {
			text += " " + f.Detail()
		}
		text += "\n"
	}
	return text
}

// reversed returns a certificate with its extensions in reverse order, if they can
// be read.
func reversed(der []byte) ([]byte, bool) {
	const explicit3 = asn1.Tag(0xA3)
	in := cryptobyte.String(der)
	var outer, tbs, wrapper, list cryptobyte.String
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !outer.ReadASN1(&tbs, asn1.SEQUENCE) {
		return nil, false
	}
	var fields []byte
	for !tbs.PeekASN1Tag(explicit3) {
		var field cryptobyte.String
		var tag asn1.Tag
		if !tbs.ReadAnyASN1Element(&field, &tag) {
			return nil, false
		}
		fields = append(fields, field...)
	}
	var extensions [][]byte
	if !tbs.ReadASN1(&wrapper, explicit3) || !wrapper.ReadASN1(&list, asn1.SEQUENCE) || !wrapper.Empty() {
		return nil, false
	}
	for !list.Empty() {
		var x cryptobyte.String
		if !list.ReadASN1Element(&x, asn1.SEQUENCE) {
			return nil, false
		}
		extensions = append(extensions, x)
	}
	slices.Reverse(extensions)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(fields)
			b.AddASN1(explicit3, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(extensions, nil)) })
			})
			b.AddBytes(tbs)
		})
		b.AddBytes(outer)
	})
	other, err := b.Bytes()
	return other, err == nil
}

func TestFindingsAreTheSameInEveryOrderOfExtensions(t *testing.T) {
	for _, s := range states {
		want := summary(rules.Check(s.cert.DER(), s.spec, rules.Policy{}, clock))
		permutations(s.cert.Extensions, func(order [][]byte) {
			c := s.cert
			c.Extensions = order
			assert.Equal(t, want, summary(rules.Check(c.DER(), s.spec, rules.Policy{}, clock)), s.name)
		})
	}
}

// permutations calls f with every order of list.
func permutations(list [][]byte, f func([][]byte)) {
	if len(list) < 2 {
		f(list)
		return
	}
	for i := range list {
		rest := append(slices.Clone(list[:i]), list[i+1:]...)
		permutations(rest, func(order [][]byte) { f(append([][]byte{list[i]}, order...)) })
	}
}

// TestSeeds compares the seeds in testdata with the certificates that they are.
func TestSeeds(t *testing.T) {
	sound := certtest.Logon("alice@example.com").DER()
	for path, want := range map[string]string{
		"FuzzCheck/sound":        fmt.Sprintf("go test fuzz v1\n[]byte(%q)\nbyte('\\x01')\n", sound),
		"FuzzCheck/cut":          fmt.Sprintf("go test fuzz v1\n[]byte(%q)\nbyte('\\x00')\n", sound[:300]),
		"FuzzParseReg/one-value": fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", header+section+`"EnumerateECCCerts"=dword:00000001`),
	} {
		path = filepath.Join("testdata", "fuzz", filepath.FromSlash(path))
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, want, string(got), "run this test with -update")
	}
}
