//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A window is a terminal of tmux in which the program runs.
type window struct {
	t      *testing.T
	socket string
}

// openWindow runs a shell command, in which smartlogon is the program with the named
// readers.
func openWindow(t *testing.T, readers, command string) *window {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed")
	}
	dir, err := os.MkdirTemp("", "tm") // a short path, for the socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "smartlogon")))
	w := &window{t, filepath.Join(dir, "socket")}
	script := fmt.Sprintf("trap : INT; PATH=%s:$PATH; export PATH NO_COLOR=1 SMARTLOGON_TEST_READERS=%s; %s; echo exit status $?; cat", dir, readers, command)
	w.run("-f", os.DevNull, "-u", "new-session", "-d", "-x", "80", "-y", "24", "sh -c '"+script+"'")
	t.Cleanup(func() { w.run("kill-server") })
	return w
}

func (w *window) run(arguments ...string) string {
	w.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", w.socket}, arguments...)...)
	cmd.Env = append(os.Environ(), "TMUX=", "LC_ALL=C.UTF-8")
	output, err := cmd.CombinedOutput()
	require.NoError(w.t, err, "%s", output)
	return string(output)
}

func (w *window) screen() string { return strings.TrimRight(w.run("capture-pane", "-p"), "\n") + "\n" }

// waitFor waits until the screen shows a text.
func (w *window) waitFor(text string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return strings.Contains(w.screen(), text) }, time.Minute, 20*time.Millisecond,
		"the screen does not show %q", text)
}

func (w *window) enter(keys ...string) { w.run(append([]string{"send-keys"}, keys...)...) }

// The standard input is the terminal, or data: the question is the same.
func TestSignInDialog(t *testing.T) {
	for _, redirection := range []string{"", " </dev/null"} {
		w := openWindow(t, "alice", "smartlogon signin"+redirection)
		w.waitFor("retries left: 3")
		w.enter("999999", "Enter")
		w.waitFor("retries left: 2):")
		w.enter(cardtest.PIN, "Enter")
		w.waitFor("exit status 0")
		screen := w.screen()
		assert.True(t, strings.HasPrefix(screen, `alice@example.com
PIN to use the key 9A (PIV Authentication) (retries left: 3):
PIN is wrong (retries left: 2). Enter the PIN again, and watch how many retries
are left.
alice@example.com
PIN to use the key 9A (PIV Authentication) (retries left: 2):
Credentials offered for sign-in:
`), screen)
		assert.NotContains(t, screen, cardtest.PIN)
	}
}

func TestReaderInDialog(t *testing.T) {
	w := openWindow(t, "two", "smartlogon signin")
	w.waitFor("retries left: 3")
	question := strings.ReplaceAll(w.screen(), "\n", "")
	assert.Contains(t, question, `in "Software Reader 0`)
	w.enter("C-c")
	w.waitFor("exit status 1")
	assert.Contains(t, w.screen(), "no PIN entered")
}

func TestPINChangeDialog(t *testing.T) {
	w := openWindow(t, "alice", "smartlogon pin change")
	w.waitFor("retries left: 3")
	w.enter(cardtest.PIN, "Enter")
	w.waitFor("New PIN (")
	w.enter("654321", "Enter")
	w.waitFor("New PIN again:")
	w.enter("654321", "Enter")
	w.waitFor("exit status 0")
	assert.Contains(t, w.screen(), "The new PIN of the PIV application")
	assert.NotContains(t, w.screen(), "654321")
}

func TestLastTryDialog(t *testing.T) {
	w := openWindow(t, "last", "smartlogon signin")
	w.waitFor("retries left: 1")
	w.enter(cardtest.PIN, "Enter")
	w.waitFor("Type yes to go on:")
	w.enter("no", "Enter")
	w.waitFor("exit status 1")
	assert.Contains(t, w.screen(), "no PIN entered")
}

// Commands that run until they are interrupted exit without an error.
func TestInterrupted(t *testing.T) {
	for command, last := range map[string]string{
		"watch":          `+ "alice@example.com" in "Software Reader 00", PIV 9D (not offered by Windows)`,
		"watch -readers": `"Software Reader 00": card inserted`,
		"ssh-agent":      "export SSH_AUTH_SOCK=",
		"softcard":       "ready",
		"softcard -json": `{"socket":"`,
	} {
		w := openWindow(t, "alice", "smartlogon "+command)
		w.waitFor(last)
		w.enter("C-c")
		w.waitFor("exit status")
		assert.Contains(t, w.screen(), "exit status 0", command)
	}
}
