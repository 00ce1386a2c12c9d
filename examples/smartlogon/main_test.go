package main

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain runs the program itself in the processes that tests start.
func TestMain(m *testing.M) {
	if name := os.Getenv("SMARTLOGON_TEST_READERS"); name != "" {
		readers := testReaders[name]()
		cli.Main("smartlogon", func(ctx context.Context) error {
			return run(ctx, terminalEnv(readers), os.Args[1:])
		})
	}
	leak.Main(m)
}

// testReaders has the readers of processes that tests start.
var testReaders = map[string]func() *cardtest.Readers{
	"none":  func() *cardtest.Readers { return cardtest.NewReaders() },
	"empty": func() *cardtest.Readers { return cardtest.NewReaders(nil) },
	"alice": func() *cardtest.Readers { return cardtest.NewReaders(aliceCard()) },
	"last": func() *cardtest.Readers {
		return cardtest.NewReaders(cardtest.Logon("alice@example.com", cardtest.RetriesLeft(1)))
	},
	"two": func() *cardtest.Readers { return cardtest.NewReaders(aliceCard(), bobCard()) },
}

// terminalEnv returns the Env of a process with software readers.
func terminalEnv(readers *cardtest.Readers) *cli.Env {
	env := processEnv()
	env.Service = readers.Service
	return env
}

// smartlogon runs the program on the cards, without a terminal.
func smartlogon(t *testing.T, readers *cardtest.Readers, args ...string) (string, error) {
	t.Helper()
	stdin, write, err := os.Pipe()
	require.NoError(t, err)
	defer stdin.Close()
	defer write.Close()
	var out bytes.Buffer
	env := &cli.Env{Stdin: stdin, Stdout: &out, Stderr: &out}
	env.Service = func() *card.Service { return readers.Service() }
	err = run(t.Context(), env, args)
	return out.String(), err
}

func TestUsageErrors(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.Logon("alice@example.com"))
	defer readers.Close()
	for _, test := range []struct {
		args          []string
		text, command string
	}{
		{nil, "name a command", "smartlogon"},
		{[]string{"lst"}, `no command "lst"; did you mean "list"?`, "smartlogon"},
		{[]string{"list", "-jsno"}, "no flag -jsno; did you mean -json?", "smartlogon list"},
		{[]string{"list", "extra"}, `unexpected argument "extra"`, "smartlogon list"},
		{[]string{"list", "-reader"}, "flag needs an argument: -reader", "smartlogon list"},
		{[]string{"list", "-reader", "another"}, `no reader "another": there are "Software Reader 00"`, "smartlogon list"},
		{[]string{"pin"}, "name a command", "smartlogon pin"},
		{[]string{"pin", "chnge"}, `no command "chnge"; did you mean "change"?`, "smartlogon pin"},
		{[]string{"pin", "change", "-reader", "another"}, `no reader "another": there are "Software Reader 00"`, "smartlogon pin change"},
		{[]string{"pin", "status", "-reader", "another"}, `no reader "another": there are "Software Reader 00"`, "smartlogon pin status"},
		{[]string{"pin", "change", "-app", "OpenPGP"}, "name an application of the card with -app: PIV", "smartlogon pin change"},
		{[]string{"signin", "-softcard", "-reader", "x"}, "-reader has no effect with -softcard", "smartlogon signin"},
		{[]string{"signin", "-reader", "another"}, `no reader "another": there are "Software Reader 00"`, "smartlogon signin"},
		{[]string{"provision"}, "-reader is missing (smartlogon list prints the readers)", "smartlogon provision"},
		{[]string{"kinit"}, "-roots is missing", "smartlogon kinit"},
		{[]string{"explain", "-at", "yesterday"}, `invalid value "yesterday" for flag -at: want a time as in 2026-01-01T00:00:00Z`, "smartlogon explain"},
		{[]string{"ssh-agent", "-t", "soon"}, `invalid value "soon" for flag -t: parse error`, "smartlogon ssh-agent"},
		{[]string{"-color", "blue", "list"}, `invalid value "blue" for flag -color: want auto, always or never`, "smartlogon"},
		{[]string{"watch", "x"}, `unexpected argument "x"`, "smartlogon watch"},
		{[]string{"watch", "-no-such-flag"}, "no flag -no-such-flag", "smartlogon watch"},
		{[]string{"doctor", "x"}, `unexpected argument "x"`, "smartlogon doctor"},
		{[]string{"version", "x"}, `unexpected argument "x"`, "smartlogon version"},
		{[]string{"softcard", "-app", "x"}, "", "smartlogon softcard"},
		{[]string{"completion"}, "name a shell: bash, zsh, fish or pwsh", "smartlogon completion"},
	} {
		out, err := smartlogon(t, readers, test.args...)
		var usage *cli.UsageError
		if !assert.ErrorAs(t, err, &usage, "%q", test.args) {
			continue
		}
		assert.Equal(t, test.command, usage.Command, "%q", test.args)
		if test.text != "" {
			assert.Contains(t, err.Error(), test.text, "%q", test.args)
		}
		assert.Empty(t, out, "%q: cli.Main prints the error", test.args)
	}
}

// TestHelp checks that each command prints its help in any spelling.
func TestHelp(t *testing.T) {
	readers := cardtest.NewReaders()
	defer readers.Close()
	var check func(c *cli.Command, path []string)
	check = func(c *cli.Command, path []string) {
		for _, flag := range []string{"-h", "--help", "-help"} {
			out, err := smartlogon(t, readers, append(path, flag)...)
			require.NoError(t, err, path)
			assert.Contains(t, out, "Usage: smartlogon", path)
			assert.Contains(t, out, c.Help[:20], path)
		}
		for _, sub := range c.Commands {
			check(sub, append(path[:len(path):len(path)], sub.Name))
		}
	}
	check(newRoot(&cli.Env{}), nil)
	out, err := smartlogon(t, readers, "help", "list")
	require.NoError(t, err)
	assert.Contains(t, out, "Usage: smartlogon list [flags]")
}
