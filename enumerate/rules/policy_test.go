package rules_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// only returns the policy with one value enabled.
func only(name string) rules.Policy {
	var p rules.Policy
	reflect.ValueOf(&p).Elem().FieldByName(name).SetBool(true)
	return p
}

const header = "Windows Registry Editor Version 5.00\r\n\r\n"

const section = `[HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider]` + "\r\n"

func TestEveryPolicyIsReadByItsName(t *testing.T) {
	for _, name := range policyNames() {
		t.Run(name, func(t *testing.T) {
			want := only(name)

			var p rules.Policy
			require.NoError(t, json.Unmarshal([]byte(`{"`+name+`": true}`), &p))
			assert.Equal(t, want, p)
			require.NoError(t, json.Unmarshal([]byte(`{"`+name+`": 1}`), &p))
			assert.Equal(t, want, p)
			require.NoError(t, json.Unmarshal([]byte(`{"`+name+`": 0}`), &p))
			assert.Zero(t, p)

			p, err := rules.ParseReg([]byte(header + section + `"` + name + `"=dword:00000001` + "\r\n"))
			require.NoError(t, err)
			assert.Equal(t, want, p)

			p = rules.Policy{}
			require.NoError(t, p.Set(name+"=1"))
			assert.Equal(t, want, p)
			assert.Equal(t, name+"=1", p.String())
			require.NoError(t, p.Set(name+"=0"))
			assert.Zero(t, p)

			for _, wrong := range []string{`{"%s": "yes"}`, `{"%s": 2}`, `{"%s": null}`, `{"%s": [true]}`} {
				err := json.Unmarshal(fmt.Appendf(nil, wrong, name), &p)
				assert.ErrorContains(t, err, "rules: policy "+name+" is ")
			}
			for _, wrong := range []string{`"1"`, "dword:00000002", "hex:01", "hex(b):01,00,00,00,00,00,00,00"} {
				_, err = rules.ParseReg([]byte(header + section + `"` + name + `"=` + wrong))
				assert.ErrorContains(t, err, "rules: registry export: line 4: policy "+name+" is ")
			}
			assert.ErrorContains(t, p.Set(name+"=yes"), "rules: policy "+name+` is "yes", not a REG_DWORD of 0 or 1`)
		})
	}
}

func TestPolicyInJSON(t *testing.T) {
	t.Run("what is written is read back, under the names of the registry", func(t *testing.T) {
		everyPolicy(func(p rules.Policy, enabled []string) {
			p.IntegratedUnblockPromptString = "Call 112"
			text, err := json.Marshal(p)
			require.NoError(t, err)
			var back rules.Policy
			require.NoError(t, json.Unmarshal(text, &back))
			assert.Equal(t, p, back)
			for _, name := range enabled {
				assert.Contains(t, string(text), `"`+name+`":true`)
			}
		})
	})
	t.Run("what is not named is not configured", func(t *testing.T) {
		p := only("ReverseSubject")
		require.NoError(t, json.Unmarshal([]byte(`{}`), &p))
		assert.Zero(t, p)
	})
	t.Run("an error leaves the policy as it was", func(t *testing.T) {
		p := only("ReverseSubject")
		require.Error(t, json.Unmarshal([]byte(`{"EnumerateECCCerts": true, "X": true}`), &p))
		assert.Equal(t, only("ReverseSubject"), p)
	})
	for text, want := range map[string]string{
		`{"AllowEverything": true}`:                                     `rules: policy "AllowEverything" is not documented`,
		`{"AllowSignatureOnlyKeys": "` + strings.Repeat("a", 99) + `"}`: `rules: policy AllowSignatureOnlyKeys is "` + strings.Repeat("a", 63) + `..., not a REG_DWORD of 0 or 1`,
		`{"IntegratedUnblockPromptString": 5}`:                          `rules: policy IntegratedUnblockPromptString is 5, not a REG_SZ`,
		`[]`:                                                            `rules: policy: json: cannot unmarshal array into Go value of type map[string]json.RawMessage`,
	} {
		var p rules.Policy
		assert.EqualError(t, json.Unmarshal([]byte(text), &p), want)
	}
}

func TestParseReg(t *testing.T) {
	tests := []struct {
		name, text string
		want       rules.Policy
	}{
		{"nothing but the header", header, rules.Policy{}},
		{"the older header", "REGEDIT4\n\n" + section + `"ReverseSubject"=dword:1`, only("ReverseSubject")},
		{"line ends of other systems", strings.ReplaceAll(header+section, "\r\n", "\n") + `"ReverseSubject"=dword:00000001` + "\n", only("ReverseSubject")},
		{"a value of 0", header + section + `"ReverseSubject"=dword:00000000`, rules.Policy{}},
		{"names in another case", header + strings.ToUpper(section) + `"reversesubject"=dword:00000001`, only("ReverseSubject")},
		{"comments and empty lines", header + "; a comment\r\n" + section + "\r\n;\"X\"=dword:1\r\n" + `"ReverseSubject"=dword:00000001`, only("ReverseSubject")},
		{"other keys are passed over", header + `[HKEY_LOCAL_MACHINE\SOFTWARE\Other]` + "\r\n" + `"EnumerateECCCerts"=dword:00000001` + "\r\n" + `"X"=hex:01,\` + "\r\n  02\r\n\r\n" + section + `"ReverseSubject"=dword:00000001`, only("ReverseSubject")},
		{"a key after it is passed over", header + section + `"ReverseSubject"=dword:00000001` + "\r\n" + section[:len(section)-3] + `\Sub]` + "\r\n" + `"EnumerateECCCerts"=dword:00000001`, only("ReverseSubject")},
		{"the same key of a user is passed over", header + strings.Replace(section, "LOCAL_MACHINE", "CURRENT_USER", 1) + `"EnumerateECCCerts"=dword:00000001`, rules.Policy{}},
		{"a text", header + section + `"AllowIntegratedUnblock"=dword:00000001` + "\r\n" + `"IntegratedUnblockPromptString"="say \"please\", C:\\x"`, rules.Policy{AllowIntegratedUnblock: true, IntegratedUnblockPromptString: `say "please", C:\x`}},
		{"documented values that change nothing", header + section + `"DisallowPlaintextPin"=dword:00000001` + "\r\n" + `"EnableScPnP"=dword:00000001` + "\r\n" + `"ScPnPNotification"=dword:00000001`, rules.Policy{}},
		{"a later value wins", header + section + `"ReverseSubject"=dword:00000001` + "\r\n" + section + `"ReverseSubject"=dword:00000000`, rules.Policy{}},
		{"a deleted value", header + section + `"ReverseSubject"=dword:00000001` + "\r\n" + `"ReverseSubject"=-`, rules.Policy{}},
		{"a deleted text", header + section + `"IntegratedUnblockPromptString"="x"` + "\r\n" + `"IntegratedUnblockPromptString"=-`, rules.Policy{}},
		{"a deleted key", header + section + `"ReverseSubject"=dword:00000001` + "\r\n[-" + section[1:] + `"X"=dword:1`, rules.Policy{}},
		{"a deleted key above", header + section + `"ReverseSubject"=dword:00000001` + "\r\n" + `[-HKEY_LOCAL_MACHINE\software\Policies]`, rules.Policy{}},
		{"a deleted key beside", header + section + `"ReverseSubject"=dword:00000001` + "\r\n" + `[-HKEY_LOCAL_MACHINE\SOFTWARE\Pol]`, only("ReverseSubject")},
		{"a deleted key below", header + section + `"ReverseSubject"=dword:00000001` + "\r\n[-" + section[1:len(section)-3] + `\Sub]`, only("ReverseSubject")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			little, big := []byte{0xFF, 0xFE}, []byte{0xFE, 0xFF}
			for _, u := range utf16.Encode([]rune(tt.text)) {
				little = append(little, byte(u), byte(u>>8))
				big = append(big, byte(u>>8), byte(u))
			}
			for encoding, file := range map[string][]byte{
				"UTF-8": []byte(tt.text), "UTF-8 with its mark": []byte("\uFEFF" + tt.text),
				"UTF-16": little, "UTF-16 with the high byte first": big,
			} {
				got, err := rules.ParseReg(file)
				require.NoError(t, err, encoding)
				assert.Equal(t, tt.want, got, encoding)
			}
		})
	}
}

func TestParseRegRefuses(t *testing.T) {
	const line = "rules: registry export: line 4: "
	tests := []struct {
		name, text, want string
	}{
		{"nothing", "", `rules: registry export: begins with "", not with its version`},
		{"another file", "-----BEGIN CERTIFICATE-----", `rules: registry export: begins with "-----BEGIN CERTIFICATE-----", not with its version`},
		{"neither UTF-8 nor UTF-16", "\x80", "rules: registry export: neither UTF-8 nor UTF-16 with a byte order mark"},
		{"half a character of UTF-16", "\xFF\xFEa", "rules: registry export: UTF-16 with an odd number of bytes: 3"},
		{"too much", strings.Repeat(" ", 16<<20+1), "rules: registry export: 16777217 bytes are more than 16777216"},
		{"an undocumented value", header + section + `"AllowEverything"=dword:00000001`, line + `policy "AllowEverything" is not documented`},
		{"the value without a name", header + section + `@="x"`, line + `"@=\"x\"" is not a text in quotation marks`},
		{"a text for a number", header + section + `"ReverseSubject"="1"`, line + `policy ReverseSubject is a REG_SZ, not a REG_DWORD of 0 or 1`},
		{"a number for a text", header + section + `"IntegratedUnblockPromptString"=dword:00000001`, line + `policy IntegratedUnblockPromptString is a REG_DWORD, not a REG_SZ`},
		{"binary data for a text", header + section + `"IntegratedUnblockPromptString"=hex(2):61,\` + "\r\n  00", line + `policy IntegratedUnblockPromptString is data of the form "hex(2)", not a REG_SZ`},
		{"a number with a letter", header + section + `"ReverseSubject"=dword:x`, line + `policy "ReverseSubject" has no number after dword: "x"`},
		{"a number of 64 bits", header + section + `"ReverseSubject"=dword:100000001`, line + `policy "ReverseSubject" has no number after dword: "100000001"`},
		{"no equals sign", header + section + `"ReverseSubject"`, line + `policy "ReverseSubject" is not followed by "="`},
		{"a name that does not end", header + section + `"ReverseSubject`, line + `text does not end on its line: "\"ReverseSubject"`},
		{"a text that does not end", header + section + `"IntegratedUnblockPromptString"="x\`, line + `policy "IntegratedUnblockPromptString": text does not end on its line: "\"x\\"`},
		{"a text with more behind it", header + section + `"IntegratedUnblockPromptString"="x"y`, line + `policy "IntegratedUnblockPromptString": text is followed by "y"`},
		{"an undocumented value is deleted", header + section + `"X"=-`, line + `policy "X" is not documented`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := rules.ParseReg([]byte(tt.text))
			assert.EqualError(t, err, tt.want)
			assert.Zero(t, got)
		})
	}
}

func TestPolicyAsFlag(t *testing.T) {
	var p rules.Policy
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(&p, "policy", "policies")
	require.NoError(t, flags.Parse([]string{"-policy", "EnumerateECCCerts=1, X509HintsNeeded=1,IntegratedUnblockPromptString=call us", "-policy", "X509HintsNeeded=0"}))
	assert.Equal(t, rules.Policy{EnumerateECCCerts: true, IntegratedUnblockPromptString: "call us"}, p)
	assert.Equal(t, "EnumerateECCCerts=1,IntegratedUnblockPromptString=call us", p.String())

	assert.EqualError(t, p.Set("EnumerateECCCerts"), `rules: policy "EnumerateECCCerts" has no value, such as NAME=1`)
	assert.EqualError(t, p.Set("X=1"), `rules: policy "X" is not documented`)
}

// FuzzParseReg asserts that a policy survives JSON, and that an error comes with the
// zero policy.
func FuzzParseReg(f *testing.F) {
	f.Add([]byte(header + section + `"ReverseSubject"=dword:00000001` + "\r\n" + `"IntegratedUnblockPromptString"="a\\b"`))
	f.Add([]byte("\xFF\xFER\x00"))
	f.Add([]byte(header + "[-" + section[1:]))
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := rules.ParseReg(file)
		if err != nil {
			if p != (rules.Policy{}) {
				t.Fatalf("%v and a policy", err)
			}
			return
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back rules.Policy
		if err := json.Unmarshal(text, &back); err != nil || back != p {
			t.Fatalf("%s gives %+v, %v", text, back, err)
		}
	})
}
