//go:build linux

package interop_test

import (
	"bufio"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const softReader = "Software Reader 00"

// softcard runs examples/softcard until the end of the test and returns its socket.
func softcard(t *testing.T, args ...string) (socket string) {
	t.Helper()
	interop.Require(t, pcscd)
	cmd := exec.Command(buildExample(t, "softcard", false), args...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, out)
		assert.NoError(t, cmd.Wait(), "exit status after SIGTERM")
	})
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	socket, ok := strings.CutPrefix(lines.Text(), "export PCSCLITE_CSOCK_NAME=")
	require.True(t, ok, lines.Text())
	require.True(t, lines.Scan())
	require.Equal(t, "ready", lines.Text())
	return socket
}

// TestForeignPrograms runs unmodified programs on the software card, without pcscd.
func TestForeignPrograms(t *testing.T) {
	socket := softcard(t)
	t.Run("opensc-tool", func(t *testing.T) {
		tool := interop.Program(t, "opensc-tool", "opensc-tool", "-i")
		assert.Regexp(t, `0 +Yes +`+softReader, mustRunOn(t, socket, tool, "-l"))
		assert.Contains(t, mustRunOn(t, socket, tool, "-n"), "Personal Identity Verification")
		assert.Regexp(t, `(?m)^3b(:[0-9a-f]{2})+`, mustRunOn(t, socket, tool, "-a"))
	})
	t.Run("pkcs15-tool", func(t *testing.T) {
		tool := interop.Program(t, "pkcs15-tool", "opensc-tool", "-i")
		out := mustRunOn(t, socket, tool, "-D")
		for _, key := range []string{"PIV AUTH key", "SIGN key", "KEY MAN key", "CARD AUTH key"} {
			assert.Contains(t, out, key)
		}
		assert.NotRegexp(t, `(?i)error|fail|invalid`, withoutKnownErrors(out))
	})
	t.Run("pkcs11-tool", func(t *testing.T) {
		tool := interop.Program(t, "pkcs11-tool", "opensc-tool", "-i")
		out := mustRunOn(t, socket, tool, "--test", "--login", "--pin", "env:TEST_PIN")
		assert.Contains(t, out, "No errors")
		assert.Contains(t, out, "RSA-PKCS-OAEP: ")
	})
	t.Run("pcsc_scan", func(t *testing.T) {
		tool := interop.Program(t, "pcsc_scan", "pcsc_scan", "-V")
		assert.Contains(t, mustRunOn(t, socket, tool, "-r"), softReader)
	})
	t.Run("yubico-piv-tool", func(t *testing.T) {
		tool := interop.Program(t, "yubico-piv-tool", "yubico-piv-tool", "--version")
		out := mustRunOn(t, socket, tool, "-r", softReader, "-a", "status")
		assert.Contains(t, out, "Subject DN:\tCN=alice")
		assert.Regexp(t, `PIN tries left:\s+3`, out)
	})
}

// TestStaticProgram checks that a program without cgo needs no shared library.
func TestStaticProgram(t *testing.T) {
	socket := softcard(t)
	program := buildExample(t, "signin", false)
	file, err := elf.Open(program)
	require.NoError(t, err)
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	require.NoError(t, err)
	assert.Empty(t, libraries)
	for _, p := range file.Progs {
		assert.NotEqual(t, elf.PT_INTERP, p.Type, "program needs a dynamic linker")
	}
	out := mustRunOn(t, socket, program, "-pcsc", "-pin-env", "TEST_PIN")
	assert.Contains(t, out, "Challenge signed")
	assert.Contains(t, out, "Name to send: "+who)
}

// TestTwoPrograms runs two programs on one card for a minute.
func TestTwoPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	socket := softcard(t)
	tool := interop.Program(t, "opensc-tool", "opensc-tool", "-i")
	status := interop.Program(t, "yubico-piv-tool", "yubico-piv-tool", "--version")
	program := buildExample(t, "signin", false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var foreignRuns, runs int
	var all sync.WaitGroup
	all.Go(func() {
		for ; ctx.Err() == nil; foreignRuns++ {
			// SELECT of PIV and GET DATA of the CHUID.
			out, err := runOn(t, socket, tool, "-s", "00A4040005A000000308", "-s", "00CB3FFF055C035FC10200")
			if !assert.NoError(t, err) || !assert.Equal(t, 2, strings.Count(out, "SW1=0x90, SW2=0x00"), out) {
				return
			}
		}
	})
	all.Go(func() {
		for ; ctx.Err() == nil; runs++ {
			out, err := runOn(t, socket, program, "-json", "-pcsc", "-pin-env", "TEST_PIN")
			if !assert.NoError(t, err) {
				return
			}
			var said struct {
				Name  string `json:"signInName"`
				Bytes int    `json:"answerBytes"`
			}
			if !assert.NoError(t, json.Unmarshal([]byte(out), &said)) || !assert.Equal(t, who, said.Name) || !assert.NotZero(t, said.Bytes) {
				return
			}
		}
	})
	all.Wait()
	assert.NotZero(t, foreignRuns)
	assert.NotZero(t, runs)
	assert.Regexp(t, `PIN tries left:\s+3`, mustRunOn(t, socket, status, "-r", softReader, "-a", "status"))
	fmt.Printf("two programs: opensc-tool %d times, signin %d times in a minute\n", foreignRuns, runs)
}

// TestCardIsFreeDuringPrompt uses the card from another program during a PIN prompt.
func TestCardIsFreeDuringPrompt(t *testing.T) {
	socket := softcard(t)
	tool := interop.Program(t, "yubico-piv-tool", "yubico-piv-tool", "--version")
	script := interop.Program(t, "script", "script", "--version") // provides a terminal
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, script, "-qec", buildExample(t, "signin", false)+" -pcsc", "/dev/null")
	cmd.Env = environment(t, socket)
	keyboard, err := cmd.StdinPipe()
	require.NoError(t, err)
	screen, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	output := bufio.NewReader(screen)
	prompt, err := output.ReadString('(')
	require.NoError(t, err)
	assert.Contains(t, prompt, "PIN to ")

	assert.Contains(t, mustRunOn(t, socket, tool, "-r", softReader, "-a", "status"), "CN=alice")

	_, err = io.WriteString(keyboard, "123456\r")
	require.NoError(t, err)
	rest, err := io.ReadAll(output)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	assert.Contains(t, string(rest), "Name to send: "+who)
	assert.NotContains(t, string(rest), "123456")
}
