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

var update = flag.Bool("update", false, "write the table of remedies anew")

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

func TestProgramOfTheReadmeIsTheOneThatIsTested(t *testing.T) {
	_, rest, found := strings.Cut(read(t, "README.md"), "```go\n")
	require.True(t, found)
	program, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	assert.LessOrEqual(t, strings.Count(program, "\n"), 22)
	assert.True(t, strings.HasSuffix(read(t, "examples/quickstart/main.go"), "\n"+program))
}

// remedies are the errors that a person can do something about.
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
	{"card.StatusNotPermitted", card.StatusNotPermitted},
	{"piv.ErrNotPIV", piv.ErrNotPIV},
	{"piv.ErrNotFound", piv.ErrNotFound},
	{"piv.ErrMismatch", piv.ErrMismatch},
	{"piv.ErrManagementKey", piv.ErrManagementKey},
	{"piv.ErrAttestation", piv.ErrAttestation},
	{"enumerate.ErrNoApplication", enumerate.ErrNoApplication},
	{"enumerate.ErrNotOffered", enumerate.ErrNotOffered},
	{"enumerate.ErrAdministrator", enumerate.ErrAdministrator},
}

// mistakes are errors of the program, about which a person can do nothing.
var mistakes = map[string]bool{"card.ErrOver": true}

// With -update the table is written anew.
func TestReadmePrintsTheRemedyForEveryError(t *testing.T) {
	readme := read(t, "README.md")
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
			assert.True(t, listed[name] || mistakes[name], "%s has no row", name)
		}
	}
}

// exportedErrors are the variables of a package that are errors by their names.
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
		for name, object := range file.Scope.Objects {
			if object.Kind == ast.Var && strings.HasPrefix(name, "Err") {
				names = append(names, dir+"."+name)
			}
		}
	}
	require.NotEmpty(t, names)
	return names
}
