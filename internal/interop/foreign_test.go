//go:build linux

package interop_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	name  = "Virtual"
	first = name + " 00 00"
	empty = name + " 00 01"
	who   = "alice@example.com"
)

// insert inserts a card until the end of the test.
func insert(t *testing.T, c *cardtest.Card) {
	t.Helper()
	plug := pcscd.Insert(first, c.ServeVPCD)
	waitForCard(t, true)
	t.Cleanup(func() {
		pull(t, plug)
	})
}

// pull removes the card and waits until pcscd has counted that. If a command was under
// way, pcscd says at once that the reader is empty, but misses a card that is inserted
// before it has looked.
func pull(t *testing.T, plug *interop.Plug) {
	t.Helper()
	s := client.New(pcscd.Socket)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	list, err := s.Readers(ctx)
	require.NoError(t, err)
	require.Len(t, list, 2)
	before := list[0].Events
	plug.Pull()
	for tick := time.NewTicker(5 * time.Millisecond); err == nil && (list[0].Present || list[0].Events == before); <-tick.C {
		list, err = s.Readers(ctx)
	}
	require.NoError(t, err)
}

// waitForCard waits until pcscd reports the card, or an empty reader.
func waitForCard(t *testing.T, present bool) {
	t.Helper()
	s := client.New(pcscd.Socket)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	list, err := s.Readers(ctx)
	for err == nil && (len(list) != 2 || list[0].Present != present) {
		list, err = s.Wait(ctx, list)
	}
	require.NoError(t, err)
}

// run runs a program on the readers of pcscd and returns its output.
func run(t *testing.T, path string, args ...string) (string, error) {
	t.Helper()
	return runOn(t, pcscd.Socket, path, args...)
}

func mustRun(t *testing.T, path string, args ...string) string {
	t.Helper()
	return mustRunOn(t, pcscd.Socket, path, args...)
}

// runOn runs a program on the readers of a socket.
func runOn(t *testing.T, socket, path string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = environment(t, socket)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return string(out), err
}

func mustRunOn(t *testing.T, socket, path string, args ...string) string {
	t.Helper()
	out, err := runOn(t, socket, path, args...)
	require.NoError(t, err)
	return out
}

func environment(t *testing.T, socket string) []string {
	return append(os.Environ(), "PCSCLITE_CSOCK_NAME="+socket, "LC_ALL=C", "HOME="+t.TempDir(), "TEST_PIN="+cardtest.PIN)
}

// buildExample builds an example, with or without cgo, and returns its path.
func buildExample(t *testing.T, example string, cgo bool) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), example)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../examples/"+example)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if cgo {
		build.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

func TestPCSCD(t *testing.T) {
	interop.Require(t, pcscd)
	interop.Program(t, "/usr/sbin/pcscd", "/usr/sbin/pcscd", "--version")
	s := client.New(pcscd.Socket)
	defer s.Close()
	list, err := s.Readers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.ElementsMatch(t, []string{first, empty}, []string{list[0].Name, list[1].Name})
}

func TestOpenSCTool(t *testing.T) {
	interop.Require(t, pcscd)
	tool := interop.Program(t, "opensc-tool", "opensc-tool", "-i")
	c := cardtest.Logon(who)
	insert(t, c)

	out := mustRun(t, tool, "-l")
	assert.Regexp(t, `Yes +`+first, out)
	assert.Regexp(t, `No +`+empty, out)

	out = mustRun(t, tool, "-a")
	atr := regexp.MustCompile(`(?m)^[0-9a-f]{2}(:[0-9a-f]{2})+$`).FindString(out)
	assert.Equal(t, hex.EncodeToString(c.ATR()), strings.ReplaceAll(atr, ":", ""))

	out = mustRun(t, tool, "-n")
	assert.Contains(t, out, "Personal Identity Verification")
	assert.Zero(t, c.Spent())
}

func TestPKCS15Tool(t *testing.T) {
	interop.Require(t, pcscd)
	tool := interop.Program(t, "pkcs15-tool", "opensc-tool", "-i")
	c := cardtest.Logon(who)
	for _, container := range []string{"9C", "9D", "9E"} {
		key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Emails: []string{who}})
		c.Put(container, key, certificate)
	}
	c.PutObject(0x5FC106, []byte{0xBA, 0, 0xBB, 0, 0xFE, 0}) // the security object, which is mandatory

	insert(t, c)
	out := mustRun(t, tool, "-D")
	assert.Contains(t, out, "X.509 Certificate [Certificate for PIV Authentication]")
	assert.Contains(t, out, "Private RSA Key [PIV AUTH key]")
	assert.NotRegexp(t, `(?i)error|fail|invalid`, withoutKnownErrors(out))
}

// knownErrors are those of pkcs15-tool for two objects: the unsigned CHUID, which it
// does not read from the card, and the iris images, which it reads without a PIN.
var knownErrors = regexp.MustCompile(`Data object '(Unsigned Card Holder Unique Identifier|Cardholder Iris Image)'\n(\t.*\n)+Data object read failed: File not found\n`)

func withoutKnownErrors(out string) string { return knownErrors.ReplaceAllString(out, "") }

func TestPKCS11Tool(t *testing.T) {
	interop.Require(t, pcscd)
	tool := interop.Program(t, "pkcs11-tool", "opensc-tool", "-i")
	c := cardtest.Logon(who)
	insert(t, c)
	out := mustRun(t, tool, "--test", "--login", "--pin", "env:TEST_PIN")
	assert.Contains(t, out, "No errors")
	assert.Contains(t, out, "SHA256-RSA-PKCS: OK")
	assert.Zero(t, c.Spent())
}

func TestPCSCScan(t *testing.T) {
	interop.Require(t, pcscd)
	tool := interop.Program(t, "pcsc_scan", "pcsc_scan", "-V")
	out := mustRun(t, tool, "-r")
	assert.Contains(t, out, first)
	assert.Contains(t, out, empty)
}

func TestYubicoPIVTool(t *testing.T) {
	interop.Require(t, pcscd)
	tool := interop.Program(t, "yubico-piv-tool", "yubico-piv-tool", "--version")
	c := cardtest.YubiKey("5.7.1")
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{who}})
	insert(t, c.Put("9A", key, certificate))
	out := mustRun(t, tool, "-r", first, "-a", "status")
	assert.Regexp(t, `Version:\s+5\.7\.1`, out)
	assert.Regexp(t, `Slot 9a:`, out)
	assert.Contains(t, out, "CN=Test CA")
	assert.Regexp(t, `PIN tries left:\s+3`, out)
	assert.Zero(t, c.Spent())
}

// TestSignIn signs in on the real service, with the C library and without.
func TestSignIn(t *testing.T) {
	interop.Require(t, pcscd)
	for name, cgo := range map[string]bool{"with libpcsclite": true, "without cgo": false} {
		t.Run(name, func(t *testing.T) {
			program := buildExample(t, "signin", cgo)
			c := cardtest.Logon(who)
			insert(t, c)
			said := mustRun(t, program, "-pcsc", "-pin-env", "TEST_PIN")
			assert.Contains(t, said, first)
			assert.Contains(t, said, "Challenge signed")
			assert.Contains(t, said, "Name to send: "+who)
			assert.Zero(t, c.Writes())
			assert.False(t, c.Verified(), "the PIN was left verified")

			_, err := run(t, program, "-pcsc", "-pin-env", "TEST_PIN", "-reader", empty)
			assert.ErrorContains(t, err, "exit status 1")
		})
	}
}
