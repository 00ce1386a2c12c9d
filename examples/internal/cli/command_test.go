package cli

import (
	"context"
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testCommand returns a command that stores its arguments.
func testCommand(files string, got *[]string) *Command {
	flags := flag.NewFlagSet("show", flag.ContinueOnError)
	flags.Bool("all", false, "show all")
	flags.String("name", "x", "show the `file` of this name")
	return &Command{
		Name: "show", Summary: "show files", Help: "Show shows files.\n\n    show FILE", Files: files, Flags: flags,
		Run: func(_ context.Context, args []string) error {
			*got = args
			return nil
		},
	}
}

func TestExecute(t *testing.T) {
	var got []string
	require.NoError(t, testCommand("FILE ...", &got).Execute(t.Context(), []string{"-all", "a", "b"}))
	assert.Equal(t, []string{"a", "b"}, got)
	var usage *UsageError
	assert.ErrorAs(t, testCommand("", &got).Execute(t.Context(), []string{"a"}), &usage)
	assert.ErrorAs(t, testCommand("FILE", &got).Execute(t.Context(), []string{"-x"}), &usage)
}

func TestHelpText(t *testing.T) {
	var got []string
	assert.Equal(t, `Usage: program show [flags] FILE ...

Show shows files.

    show FILE

Flags:
  -all
      show all
  -name file
      show the file of this name (default x)
`, (&Env{}).HelpText(testCommand("FILE ...", &got), "program"))
	parent := &Command{Name: "program", Summary: "show", Help: "Program shows.", Commands: []*Command{testCommand("", &got)}}
	assert.Equal(t, `Usage: program COMMAND [flags]

Program shows.

Commands:
  show  show files
`, (&Env{}).HelpText(parent, ""))
}
