package mapping_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/smartlogon/smartlogon/upn/mapping"
)

// FuzzParseNameRules checks that rules written in the form of the policy are parsed
// as the same rules, and that their thumbprints differ.
func FuzzParseNameRules(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := mapping.ParseNameRules(text)
		if err != nil {
			if rules != nil || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("%d rules, %q", len(rules), err)
			}
			return
		}
		var written strings.Builder
		seen := map[[20]byte]bool{}
		for _, r := range rules {
			if seen[r.Issuer] || len(r.Policies) == 0 || r.UPNSuffix == "" && !r.IssuerSubject {
				t.Fatalf("%+v", r)
			}
			seen[r.Issuer] = true
			var methods []string
			if r.UPNSuffix != "" {
				methods = append(methods, "UpnSuffix="+r.UPNSuffix)
			}
			if r.IssuerSubject {
				methods = append(methods, "IssuerSubject")
			}
			fmt.Fprintf(&written, "%x;%s;%s\n", r.Issuer, strings.Join(r.Policies, ","), strings.Join(methods, ","))
		}
		again, err := mapping.ParseNameRules(written.String())
		if err != nil || fmt.Sprint(again) != fmt.Sprint(rules) {
			t.Fatalf("%q was parsed as %v, %v", written.String(), again, err)
		}
	})
}

// FuzzStoredFaults checks for any stored value that Match and Judge agree with
// Parse, and that their errors have no control characters.
func FuzzStoredFaults(f *testing.F) {
	for _, tt := range storedFaults {
		f.Add(tt.value)
	}
	der := storedDER(f)
	f.Fuzz(func(t *testing.T, value string) {
		parsed, parseErr := mapping.Parse(value)
		for k := mapping.PrincipalName; k < mapping.IssuerSID; k++ {
			a := mapping.Account{CertificateUserIDs: []string{value}}
			_, err := mapping.Match(a, []mapping.Binding{{Field: k, Attribute: mapping.CertificateUserIDs}}, der, false)
			var failed *mapping.MatchError
			if !errors.As(err, &failed) {
				if err != nil || parseErr != nil || parsed.Kind != k {
					t.Fatalf("%q as %v: %v", value, k, err)
				}
				continue
			}
			if strings.ContainsFunc(failed.Error(), unicode.IsControl) {
				t.Fatalf("control character in %q", failed.Error())
			}
			switch got := failed.Attempts[0]; got.Outcome {
			case mapping.Absent:
			case mapping.Unset:
				if parseErr == nil && parsed.Kind == k {
					t.Fatalf("%q is not set", value)
				}
			case mapping.Malformed:
				if parseErr == nil || got.Err == nil || got.Value != value {
					t.Fatalf("%q is malformed: %v, %v", value, got.Err, parseErr)
				}
			default:
				if parseErr != nil || parsed.Kind != k || got.Outcome != mapping.Different && got.Value != value {
					t.Fatalf("%q as %v: %v", value, k, got)
				}
			}
		}
		j, err := mapping.Controller{}.Judge(mapping.Account{AltSecurityIdentities: []string{value}}, der, nil)
		if err != nil || len(j.Faults) > 1 {
			t.Fatalf("%v, %v", j, err)
		}
		if malformed := len(j.Faults) == 1 && j.Faults[0].Outcome == mapping.Malformed; malformed != (parseErr != nil || parsed.Kind == mapping.PrincipalName) {
			t.Fatalf("%q: faults %v, parsed with %v", value, j.Faults, parseErr)
		}
		if len(j.Faults) == 1 && j.Answer != mapping.NoMapping {
			t.Fatalf("%q is %v and has the fault %v", value, j.Answer, j.Faults[0])
		}
	})
}
