package deptest_test

import (
	"testing"
	"testing/fstest"

	"github.com/smartlogon/smartlogon/internal/deptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func load(t *testing.T, files map[string]string) *deptest.Module {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	m, err := deptest.Load(fsys, "example.com/m")
	require.NoError(t, err)
	return m
}

func TestCheck(t *testing.T) {
	m := load(t, map[string]string{
		"go.mod":             "module example.com/m",
		"m.go":               "package m",
		"low/low.go":         "package low\nimport (\n\t\"fmt\"\n\t_ \"example.com/other/c\"\n)",
		"low/sub/sub.go":     "package sub",
		"mid/mid.go":         "package mid\nimport \"example.com/m/low\"",
		"mid/mid_windows.go": "//go:build windows\n\npackage mid\nimport \"example.com/m/win\"",
		"win/win.go":         "package win\nimport \"example.com/m/low/sub\"",
		"high/high.go":       "package high\nimport \"example.com/m/mid\"",
		"high/high_test.go":  "package high_test\nimport (\n\t\"example.com/m\"\n\t\"example.com/m/onlytest\"\n)",
		"onlytest/a_test.go": "package onlytest\nimport \"example.com/check\"",
		// What follows is not part of the module.
		"low/testdata/x.go": "package x\nimport \"example.com/m/high\"",
		"low/_x/x.go":       "package x\nimport \"example.com/m/high\"",
		"low/.x.go":         "package x\nimport \"example.com/m/high\"",
		"low/nested/go.mod": "module example.com/nested",
		"low/nested/x.go":   "package x\nimport \"example.com/m/high\"",
	})
	for _, tt := range []struct {
		name string
		rule deptest.Rule
		want []string
	}{
		{"none", deptest.Rule{Of: []string{"./low/..."}, Deny: []string{"./mid", "./high", "./win"}, Tests: true}, nil},
		{"direct import", deptest.Rule{Of: []string{"./mid"}, Deny: []string{"./low"}},
			[]string{"./mid imports ./low: why"}},
		{"through another package", deptest.Rule{Of: []string{"./high"}, Deny: []string{"./low"}},
			[]string{"./high imports ./mid imports ./low: why"}},
		{"not through another package", deptest.Rule{Of: []string{"./high"}, Deny: []string{"./low"}, Direct: true}, nil},
		{"another system", deptest.Rule{Of: []string{"./mid"}, Deny: []string{"./win"}},
			[]string{"./mid imports ./win: why"}},
		{"pattern", deptest.Rule{Of: []string{"./mid"}, Deny: []string{"./low/..."}},
			[]string{"./mid imports ./low: why", "./mid imports ./win imports ./low/sub: why"}},
		{"module outside", deptest.Rule{Of: []string{"./high"}, Deny: []string{"example.com/other/..."}},
			[]string{"./high imports ./mid imports ./low imports example.com/other/c: why"}},
		{"standard library", deptest.Rule{Of: []string{"./low"}, Deny: []string{"fmt"}},
			[]string{"./low imports fmt: why"}},
		{"test file", deptest.Rule{Of: []string{"./high"}, Deny: []string{"./onlytest", "."}, Tests: true},
			[]string{"./high imports .: why", "./high imports ./onlytest: why"}},
		{"test file that does not count", deptest.Rule{Of: []string{"./high"}, Deny: []string{"./onlytest"}}, nil},
		{"package with tests only", deptest.Rule{Of: []string{"./onlytest"}, Deny: []string{"example.com/check"}, Tests: true},
			[]string{"./onlytest imports example.com/check: why"}},
		{"exempt package", deptest.Rule{Of: []string{"./mid", "./high"}, Except: []string{"./mid"}, Deny: []string{"./low"}, Direct: true}, nil},
		{"allowed import", deptest.Rule{Of: []string{"./mid"}, Deny: []string{"./low/..."}, Allow: []string{"./low/sub"}},
			[]string{"./mid imports ./low: why"}},
		{"misspelled package", deptest.Rule{Of: []string{"./hihg"}, Deny: []string{"./low"}},
			[]string{`no package matches "./hihg" (why)`}},
		{"misspelled import", deptest.Rule{Of: []string{"./low"}, Deny: []string{"example.com/othr/..."}},
			[]string{`no package matches "example.com/othr/..." (why)`}},
		{"prefix of a name", deptest.Rule{Of: []string{"./low"}, Deny: []string{"./lo/..."}},
			[]string{`no package matches "./lo/..." (why)`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.rule.Reason = "why"
			assert.ElementsMatch(t, tt.want, m.Check(tt.rule))
		})
	}
}

func TestLoadMalformedFile(t *testing.T) {
	fsys := fstest.MapFS{"a/a.go": {Data: []byte("packge a")}}
	_, err := deptest.Load(fsys, "example.com/m")
	assert.ErrorContains(t, err, "deptest: load example.com/m: a/a.go:1:1: expected 'package'")
}
