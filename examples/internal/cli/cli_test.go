package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/card"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		text   string
	}{
		{"no error", nil, 0, ""},
		{"help", flag.ErrHelp, 0, ""},
		{"error", errors.New("broken"), 1, "program: broken\n"},
		{"error with a hint", card.ErrNoCard, 1, "program: " + card.ErrNoCard.Error() + "\nInsert a card.\n"},
		{"usage", Usagef("-a needs -%s", "b"), 2, "program: -a needs -b\nRun program -h for help.\n"},
		{"escape sequence", errors.New("reader \x1b[2J"), 1, "program: reader \\x1b[2J\n"},
		{"joined errors", errors.Join(errors.New("one"), errors.New("two")), 1, "program: one; two\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			assert.Equal(t, test.status, report(&out, 0, "program", test.err))
			assert.Equal(t, test.text, out.String())
		})
	}
}

// The test binary calls Main in a process of its own.
func TestMainExitStatus(t *testing.T) {
	if os.Getenv("CLI_TEST_MAIN") != "" {
		Main("program", func(context.Context) error { return Usagef("wrong") })
	}
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(program, "-test.run=^TestMainExitStatus$")
	cmd.Env = append(os.Environ(), "CLI_TEST_MAIN=1")
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	assert.Equal(t, 2, exit.ExitCode())
}

func TestParse(t *testing.T) {
	parse := func(args ...string) (*flag.FlagSet, string, error) {
		flags := flag.NewFlagSet("program", flag.ContinueOnError)
		flags.Bool("a", false, "help of the flag")
		var out bytes.Buffer
		flags.SetOutput(&out)
		err := Parse(flags, args)
		return flags, out.String(), err
	}
	flags, out, err := parse("-a")
	require.NoError(t, err)
	assert.Empty(t, out)
	assert.Equal(t, "true", flags.Lookup("a").Value.String())

	_, out, err = parse("-h")
	assert.ErrorIs(t, err, flag.ErrHelp)
	assert.Contains(t, out, "help of the flag")

	var usage *UsageError
	for _, args := range [][]string{{"-b"}, {"-a=maybe"}, {"-a", "argument"}, {"argument", "-a"}} {
		_, out, err = parse(args...)
		assert.ErrorAs(t, err, &usage, "%v", args)
		assert.Empty(t, out, "report prints the error")
	}
	flags = flag.NewFlagSet("program", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	assert.NoError(t, ParseFiles(flags, []string{"file"}))
	assert.ErrorAs(t, ParseFiles(flags, []string{"-b"}), &usage)
}

var escapes = map[string]string{
	"alice@example.com":     "alice@example.com",
	`back\slash "quoted"`:   `back\slash "quoted"`,
	"Zoë 山田 \U0001F511":     "Zoë 山田 \U0001F511",
	"\x1b[31m":              `\x1b[31m`,
	"a\nb\rc\td\x00\x7f":    `a\nb\rc\td\x00\x7f`,
	"\u009b31m":             `\u009b31m`, // CSI as one character
	"\x9b31m\xff":           `\x9b31m\xff`,
	"\u202egnp.exe\u200b":   `\u202egnp.exe\u200b`,
	"\u2028\u2029":          `\u2028\u2029`,
	"\U000E0041":            `\U000e0041`, // tag character
	"replacement \uFFFD ok": "replacement \uFFFD ok",
}

func TestEscape(t *testing.T) {
	for s, want := range escapes {
		assert.Equal(t, want, Escape(s), "%q", s)
	}
}

func TestMessage(t *testing.T) {
	for text, want := range map[string]string{
		`enumerate: piv: open key 9A: card: "Reader": verify PIN: PIN is wrong`: `open key 9A: "Reader": verify PIN: PIN is wrong`,
		"enumerate: no card in the reader":                                      "no card in the reader",
		"card: a\npiv: b":                                                       "a; b",
		"read: discard: a piv: b":                                               "read: discard: a piv: b",
		"open postcard: no such file":                                           "open postcard: no such file",
	} {
		assert.Equal(t, want, Message(errors.New(text)))
	}
}

func TestEscapeJSON(t *testing.T) {
	for s := range escapes {
		text, err := json.MarshalIndent(map[string]string{"name": s}, "", " ")
		require.NoError(t, err)
		escaped := EscapeJSON(text)
		var before, after map[string]string
		require.NoError(t, json.Unmarshal(text, &before))
		require.NoError(t, json.Unmarshal(escaped, &after))
		assert.Equal(t, before, after, "%q", s)
		assert.False(t, strings.ContainsFunc(string(escaped), func(r rune) bool { return r != '\n' && unprintable(r) }), "%q", escaped)
		if utf8.ValidString(s) && Escape(s) == s {
			assert.Equal(t, string(text), string(escaped))
		}
	}
}
