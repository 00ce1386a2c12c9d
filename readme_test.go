package smartlogon_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the table of remedies")

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

func TestREADMEProgramIsQuickstart(t *testing.T) {
	_, rest, ok := strings.Cut(readFile(t, "README.md"), "```go\n")
	require.True(t, ok)
	program, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	assert.LessOrEqual(t, strings.Count(program, "\n"), 22)
	assert.True(t, strings.HasSuffix(readFile(t, "examples/quickstart/main.go"), "\n"+program))
}

// remedies lists the errors that the user can do something about.
var remedies = []struct {
	name string
	err  error
}{
	{"card.ErrNoService", card.ErrNoService},
	{"card.ErrNoReader", card.ErrNoReader},
	{"card.ErrNoCard", card.ErrNoCard},
	{"card.ErrMute", card.ErrMute},
	{"card.ErrBusy", card.ErrBusy},
	{"card.ErrRemoved", card.ErrRemoved},
	{"card.ErrChanged", card.ErrChanged},
	{"card.ErrReset", card.ErrReset},
	{"card.ErrNoResponse", card.ErrNoResponse},
	{"card.ErrMalformed", card.ErrMalformed},
	{"card.ErrClosed", card.ErrClosed},
	{"card.ErrWrongPIN", card.ErrWrongPIN},
	{"card.ErrPINBlocked", card.ErrPINBlocked},
	{"card.ErrLastTry", card.ErrLastTry},
	{"card.ErrRefusedBefore", card.ErrRefusedBefore},
	{"card.ErrPINFormat", card.ErrPINFormat},
	{"card.ErrPINRequired", card.ErrPINRequired},
	{"card.ErrNewPIN", card.ErrNewPIN},
	{"card.ErrFewerRetries", card.ErrFewerRetries},
	{"card.StatusNotPermitted", card.StatusNotPermitted},
	{"piv.ErrNotPIV", piv.ErrNotPIV},
	{"piv.ErrNotFound", piv.ErrNotFound},
	{"piv.ErrMismatch", piv.ErrMismatch},
	{"piv.ErrManagementKey", piv.ErrManagementKey},
	{"piv.ErrAttestation", piv.ErrAttestation},
	{"enumerate.ErrNoApplication", enumerate.ErrNoApplication},
	{"enumerate.ErrNotOffered", enumerate.ErrNotOffered},
	{"enumerate.ErrAdministrator", enumerate.ErrAdministrator},
	{"enumerate.ErrMismatch", enumerate.ErrMismatch},
	{"enumerate.ErrKeyClosed", enumerate.ErrKeyClosed},
}

// programErrors lists the errors that only the programmer can do something about.
var programErrors = map[string]bool{"card.ErrOver": true}

func TestREADMEListsEveryRemedy(t *testing.T) {
	readme := readFile(t, "README.md")
	if *update {
		var table strings.Builder
		for _, r := range remedies {
			fmt.Fprintf(&table, "| `%s` | %s |\n", r.name, card.Hint(r.err))
		}
		head, rest, _ := strings.Cut(readme, "| error | remedy |\n| --- | --- |\n")
		_, tail, _ := strings.Cut(rest, "\n\n")
		readme = head + "| error | remedy |\n| --- | --- |\n" + table.String() + "\n" + tail
		require.NoError(t, os.WriteFile("README.md", []byte(readme), 0o644))
	}
	listed := map[string]bool{}
	for _, r := range remedies {
		listed[r.name] = true
		assert.Contains(t, readme, "| `"+r.name+"` | "+card.Hint(r.err)+" |\n")
	}
	for _, pkg := range []string{"card", "piv", "enumerate"} {
		for _, name := range exportedErrors(t, pkg) {
			assert.True(t, listed[name] || programErrors[name], "%s has no row", name)
		}
	}
}

// exportedErrors returns the exported variables of a package whose names begin
// with Err.
func exportedErrors(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+e.Name(), nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR {
				continue
			}
			for _, spec := range group.Specs {
				for _, ident := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(ident.Name, "Err") {
						names = append(names, dir+"."+ident.Name)
					}
				}
			}
		}
	}
	require.NotEmpty(t, names)
	return names
}
