package realcards_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the tables in README.md")

// TestJobs runs every job on every model, each with a card of its own, and compares the
// exchanges with README.md.
func TestJobs(t *testing.T) {
	table := new(strings.Builder)
	table.WriteString("| model |")
	for _, j := range jobs {
		fmt.Fprintf(table, " %s |", j.name)
	}
	table.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(jobs)) + "\n")
	wrong := 0
	for _, model := range cardtest.Models() {
		fmt.Fprintf(table, "| %s |", model)
		for _, j := range jobs {
			cell := ""
			t.Run(model+"/"+j.name, func(t *testing.T) {
				p := newProgram(t, model)
				err := j.run(p)
				cell = fmt.Sprint(p.soft.Exchanges().Commands)
				if err != nil {
					cell = "wrong"
					wrong++
				}
				require.NoError(t, err)
			})
			fmt.Fprintf(table, " %s |", cell)
		}
		table.WriteString("\n")
	}
	fmt.Printf("%s%d models, %d jobs, %d wrong\n", table, len(cardtest.Models()), len(jobs), wrong)
	compare(t, "jobs", table.String())
}

// TestFacts compares the facts of the models with README.md.
func TestFacts(t *testing.T) {
	table := new(strings.Builder)
	recorded := 0
	for _, model := range cardtest.Models() {
		fmt.Fprintf(table, "\n### %s: %s\n\n| property | value | evidence | source |\n| --- | --- | --- | --- |\n", model, cardtest.ModelProduct(model))
		for _, f := range cardtest.ModelFacts(model) {
			fmt.Fprintf(table, "| %s | `%s` | %s | %s |\n", f.Property, f.Value, f.Evidence, f.Source)
			if f.Evidence == cardtest.Recorded {
				recorded++
			}
		}
	}
	assert.Greater(t, recorded, 100)
	compare(t, "facts", table.String())
}

// compare compares a table with the one between the marks of its name in README.md.
func compare(t *testing.T, name, table string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, begin)
	old, after, ok := strings.Cut(rest, end)
	require.True(t, ok, end)
	if *update {
		require.NoError(t, os.WriteFile("README.md", []byte(before+begin+table+end+after), 0o666))
		return
	}
	want, got := strings.Split(old, "\n"), strings.Split(table, "\n")
	for i, line := range got {
		if i >= len(want) || line != want[i] {
			require.Fail(t, "README.md is out of date", "%s\nrun go test ./internal/realcards -update", line)
		}
	}
	require.Len(t, want, len(got), "README.md is out of date: run go test ./internal/realcards -update")
}
