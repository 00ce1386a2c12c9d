package signin

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

// signin runs the program with a pipe in place of a terminal.
func signin(t *testing.T, args ...string) (string, error) {
	t.Helper()
	stdin, write, err := os.Pipe()
	require.NoError(t, err)
	defer stdin.Close()
	defer write.Close()
	var out bytes.Buffer
	err = Example(&cli.Env{Stdin: stdin, Stdout: &out}).Execute(t.Context(), args)
	return out.String(), err
}

func TestSoftwareCard(t *testing.T) {
	t.Setenv("TEST_PIN", cardtest.PIN)
	out, err := signin(t, "-pin-env", "TEST_PIN")
	require.NoError(t, err)
	assert.Contains(t, out, "* alice@example.com\n")
	assert.Contains(t, out, `issued by "CN=Test CA,O=cardtest"`)
	assert.Contains(t, out, `in "Software Reader 00", container 9A`)
	assert.Contains(t, out, "Answer verified")
	assert.Contains(t, out, "Name to send: alice@example.com\nSource: upn")
	assert.NotContains(t, out, cardtest.PIN)
}

func TestJSON(t *testing.T) {
	t.Setenv("TEST_PIN", cardtest.PIN)
	out, err := signin(t, "-json", "-pin-env", "TEST_PIN")
	require.NoError(t, err)
	var r report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Len(t, r.Tiles, 1)
	assert.Equal(t, tile{"alice@example.com", "CN=Test CA,O=cardtest", "Software Reader 00", "9A"}, r.Tiles[0])
	assert.Equal(t, "alice@example.com", r.Name)
	assert.Equal(t, "upn", r.Source)
	assert.True(t, r.Verified)
	assert.Equal(t, []string{"whether the certificate was revoked"}, r.NotChecked)
}

func TestHintReplacesName(t *testing.T) {
	t.Setenv("TEST_PIN", cardtest.PIN)
	out, err := signin(t, "-hint", "bob@example.com", "-pin-env", "TEST_PIN")
	require.NoError(t, err)
	assert.Contains(t, out, "Name to send: bob@example.com\nSource: hint")
	assert.Contains(t, out, "Not checked: whether the directory maps this certificate to the account of the hint")
}

func TestNoTerminal(t *testing.T) {
	_, err := signin(t)
	assert.ErrorIs(t, err, prompt.ErrNoTerminal)
}

func TestWrongPIN(t *testing.T) {
	t.Setenv("TEST_PIN", "999999")
	out, err := signin(t, "-pin-env", "TEST_PIN")
	assert.ErrorContains(t, err, "tries left: 2")
	assert.NotContains(t, err.Error(), "999999")
	assert.Empty(t, out)
}

func TestRoots(t *testing.T) {
	t.Setenv("TEST_PIN", cardtest.PIN)
	file := filepath.Join(t.TempDir(), "roots.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cardtest.TestCA().Certificate()})
	require.NoError(t, os.WriteFile(file, text, 0o600))
	out, err := signin(t, "-roots", file, "-pin-env", "TEST_PIN")
	require.NoError(t, err)
	assert.Contains(t, out, "Answer verified")

	require.NoError(t, os.WriteFile(file, []byte("nothing"), 0o600))
	_, err = signin(t, "-roots", file, "-pin-env", "TEST_PIN")
	assert.ErrorContains(t, err, "no certificate")
	_, err = signin(t, "-roots", file+".not", "-pin-env", "TEST_PIN")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestChooseReader(t *testing.T) {
	one, two := &enumerate.Credential{Reader: "one"}, &enumerate.Credential{Reader: "two"}
	list := []*enumerate.Credential{one, two}
	c, err := choose(list, "", nil)
	require.NoError(t, err)
	assert.Same(t, one, c)
	c, err = choose(list, "two", nil)
	require.NoError(t, err)
	assert.Same(t, two, c)
	_, err = choose(list, "another", nil)
	assert.ErrorContains(t, err, "no certificate to sign in with")
	_, err = choose(list, "another", io.EOF)
	assert.Equal(t, io.EOF, err)
}

func TestInvalidArguments(t *testing.T) {
	var usage *cli.UsageError
	for _, args := range [][]string{
		{"-no-such-flag"},
		{"argument"},
		{"-reader", "Software Reader 00"}, // without -pcsc
	} {
		_, err := signin(t, args...)
		assert.ErrorAs(t, err, &usage, "%v", args)
	}
}

// Names in readers, on cards and in certificates are untrusted.
func TestOutputIsEscaped(t *testing.T) {
	const hostile = "\x1b[2J\u202e"
	r := &report{
		Tiles:    []tile{{Title: hostile, Issuer: hostile, Reader: hostile, Container: hostile}},
		Name:     hostile,
		Source:   "upn",
		Sentence: "A sentence.",
	}
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		require.NoError(t, r.print(&out, 0, asJSON))
		assert.NotContains(t, out.String(), "\x1b")
		assert.NotContains(t, out.String(), "\u202e")
	}
	assert.Equal(t, `one \x1b; two`, newReport(nil, nil, errors.Join(errors.New("one \x1b"), errors.New("two")), rules.Policy{}).Unread)
}
