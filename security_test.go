package smartlogon_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSECURITYNamesTests looks up the tests that hold the promises of SECURITY.md.
func TestSECURITYNamesTests(t *testing.T) {
	quoted := regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")
	functions := make(map[string]map[string]bool) // by package
	promises := 0
	for line := range strings.Lines(readFile(t, "SECURITY.md")) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || cells[0] == "| promise" {
			continue
		}
		promises++
		require.Len(t, cells, 2, line)
		names := quoted.FindAllStringSubmatch(cells[1], -1)
		assert.NotEmpty(t, names, "no test: %s", cells[0])
		assert.Len(t, names, strings.Count(cells[1], "`")/2, "not a test: %s", cells[1])
		for _, name := range names {
			if functions[name[1]] == nil {
				functions[name[1]] = testFunctions(t, name[1])
			}
			assert.True(t, functions[name[1]][name[2]], "%s has no %s", name[1], name[2])
		}
	}
	assert.Greater(t, promises, 20)
}

// testFunctions returns the names of the functions in the test files of a package,
// for any system.
func testFunctions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.FromSlash(dir) + "/*_test.go")
	require.NoError(t, err)
	require.NotEmpty(t, files, "package %s", dir)
	names := make(map[string]bool)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}
