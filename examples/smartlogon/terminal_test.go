//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// screens are the commands of the captures: the readers, and the arguments.
var screens = []struct{ readers, args string }{
	{"none", ""},
	{"none", "help"},
	{"none", "lst"},
	{"none", "-color blue list"},
	{"two", "list"},
	{"two", "list -offered -json"},
	{"none", "list"},
	{"two", "list -jsno"},
	{"two", "list -reader another"},
	{"alice", "explain -at 2026-01-01T00:00:00Z"},
	{"none", "explain"},
	{"none", "explain missing.pem"},
	{"none", "explain -unmasked"},
	{"none", "watch extra"},
	{"alice", "signin -pin-env PIN"},
	{"alice", "signin -pin-env WRONG"},
	{"empty", "signin"},
	{"two", "pin status"},
	{"none", "pin"},
	{"none", "help pin change"},
	{"alice", "pin change -pin-env PIN -new-pin-env NEW"},
	{"alice", "pin change -pin-env WRONG -new-pin-env NEW"},
	{"two", "pin change"},
	{"alice", "pin unblock -unknown-retries -pin-env WRONG -new-pin-env NEW"},
	{"none", "provision -softcard -upn bob@example.com"},
	{"none", "provision"},
	{"none", "ssh-agent -t soon"},
	{"alice", "kinit -roots missing.pem"},
	{"none", "softcard -app credit-card"},
	{"two", "doctor"},
	{"empty", "doctor"},
	{"none", "version"},
	{"none", "version extra"},
}

// variable matches what differs between systems and days, and its replacements.
var variable = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`go1\.[0-9.]+[^ ,)]*`), "go1.x"},
	{regexp.MustCompile(`(darwin|freebsd|linux|netbsd|openbsd)/[a-z0-9]+`), "system"},
	{regexp.MustCompile(`smartlogon \S+ \(go1`), "smartlogon (devel) (go1"},
	{regexp.MustCompile(`version( +\S*ok\S* +)\S+,`), "version${1}(devel),"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`), "11111111-1111-1111-1111-111111111111"},
	{regexp.MustCompile(`certificate of \d+ bytes`), "certificate of 826 bytes"},
	{regexp.MustCompile(`clock( +\S*ok\S* +)\S+`), "clock${1}2026-01-01T00:00:00Z"},
}

// TestTerminal compares what the commands show in terminals of 80 and 120 columns, with
// and without color, with the files in testdata/terminal.
func TestTerminal(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed")
	}
	for _, columns := range []int{80, 120} {
		for name, variables := range map[string]string{"plain": "NO_COLOR=1", "color": "NO_COLOR="} {
			name := fmt.Sprintf("%d-%s.txt", columns, name)
			t.Run(name, func(t *testing.T) {
				got := capture(t, columns, variables)
				for _, line := range strings.Split(got, "\n") {
					assert.NotContains(t, line, "\x1b[2J")
				}
				file := filepath.Join("testdata", "terminal", name)
				if *update {
					require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
					require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.Equal(t, string(want), got)
			})
		}
	}
}

// capture runs the commands in a terminal of tmux and returns what it shows.
func capture(t *testing.T, columns int, variables string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tm") // a short path, for the socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "smartlogon")))
	socket := filepath.Join(dir, "socket")
	var script bytes.Buffer
	fmt.Fprintf(&script, "cd %s\nPATH=%s:$PATH\nTZ=UTC\nexport TZ PATH PIN=%s WRONG=999999 NEW=654321 %s\nclear\n", dir, dir, cardtest.PIN, variables)
	for _, s := range screens {
		command := strings.TrimSpace("smartlogon " + s.args)
		fmt.Fprintf(&script, "echo '$ %s'\nSMARTLOGON_TEST_READERS=%s %s </dev/null\nstatus=$?\n[ $status = 0 ] || echo \"exit status $status\"\necho\n", command, s.readers, command)
	}
	fmt.Fprintf(&script, "tmux -S %s wait-for -S end\nread line\n", socket)
	file := filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(file, script.Bytes(), 0o600))

	tmux := func(args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), "tmux", append([]string{"-S", socket, "-f", "/dev/null", "-u"}, args...)...)
		cmd.Env = append(os.Environ(), "TMUX=", "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%q: %s", args, out)
		return out
	}
	tmux("start-server", ";", "set-option", "-g", "history-limit", "10000", ";",
		"new-session", "-d", "-s", "p", "-x", fmt.Sprint(columns), "-y", "24", "sh "+file)
	defer exec.Command("tmux", "-S", socket, "kill-server").Run()
	tmux("wait-for", "end")
	got := string(tmux("capture-pane", "-e", "-p", "-J", "-S", "-", "-t", "p"))
	for _, v := range variable {
		got = v.pattern.ReplaceAllString(got, v.with)
	}
	lines := strings.Split(strings.TrimRight(got, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}
