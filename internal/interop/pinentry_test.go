//go:build linux

package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/interop"
)

// A window is a program in a terminal of tmux.
type window struct {
	t      *testing.T
	tmux   string
	socket string
}

// openWindow runs a command in a terminal of 80 columns and 24 lines. What it printed
// stays on the screen after its end.
func openWindow(t *testing.T, command ...string) *window {
	t.Helper()
	w := &window{t, interop.Program(t, "tmux", "tmux", "-V"), filepath.Join(t.TempDir(), "tmux")}
	for i, word := range command {
		command[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	w.run("-f", os.DevNull, "-u", "new-session", "-d", "-x", "80", "-y", "24", strings.Join(command, " ")+"; cat")
	t.Cleanup(func() { w.run("kill-server") })
	return w
}

func (w *window) run(arguments ...string) string {
	w.t.Helper()
	output, err := exec.Command(w.tmux, append([]string{"-S", w.socket}, arguments...)...).CombinedOutput()
	require.NoError(w.t, err, "%s", output)
	return string(output)
}

func (w *window) screen() string { return w.run("capture-pane", "-p") }

// waitFor waits until the screen shows a text.
func (w *window) waitFor(text string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return strings.Contains(w.screen(), text) }, time.Minute, 20*time.Millisecond,
		"the screen does not show %q", text)
}

// enter enters text or the names of keys, such as Enter.
func (w *window) enter(keys ...string) { w.run(append([]string{"send-keys"}, keys...)...) }

func TestPinentry(t *testing.T) {
	ask := filepath.Join(t.TempDir(), "ask")
	build := exec.Command("go", "build", "-o", ask, "./testdata/ask")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	for _, name := range []string{"pinentry-curses", "pinentry-tty"} {
		t.Run(name, func(t *testing.T) {
			program := interop.Program(t, name, name, "--version")
			t.Run("wrong and right PIN", func(t *testing.T) {
				w := openWindow(t, ask, program)
				w.waitFor("alice@example.com")
				assert.Contains(t, w.screen(), "retries left: 3")
				w.enter("999999", "Enter")
				w.waitFor("retries left: 2")
				w.enter(cardtest.PIN, "Enter")
				w.waitFor("result: <nil>")
				assert.NotContains(t, w.screen(), cardtest.PIN)
			})
			t.Run("canceled", func(t *testing.T) {
				w := openWindow(t, ask, program)
				w.waitFor("alice@example.com")
				if name == "pinentry-tty" {
					w.enter("C-d")
				} else {
					w.enter("Tab", "Tab", "Enter")
				}
				w.waitFor("no PIN entered")
			})
		})
	}
}
