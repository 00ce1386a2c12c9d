package interop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

var version = regexp.MustCompile(`\d[-+~0-9A-Za-z]*(\.[0-9A-Za-z][-+~0-9A-Za-z]*)*`)

// Program returns the path of a foreign program. If the test passes, its name and
// its version are printed, which is the first number in the output of versionCommand.
// If the program is missing, the test is skipped; it fails if CI is set.
func Program(t *testing.T, name string, versionCommand ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	name = filepath.Base(name)
	if err != nil {
		Missing(t, name)
		return ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, versionCommand[0], versionCommand[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // some programs exit with an error after printing it
	number := version.Find(append(stdout.Bytes(), stderr.Bytes()...))
	if number == nil {
		t.Fatalf("%s prints no version: %.200q", name, stdout.String()+stderr.String())
	}
	t.Cleanup(func() {
		if !t.Failed() {
			fmt.Printf("ran %s %s\n", name, number)
		}
	})
	return path
}

// Missing skips the test because a program is not installed, and fails it if CI is
// set.
func Missing(t *testing.T, name string) {
	t.Helper()
	fmt.Printf("missing %s\n", name)
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: make deps installs it", name)
	}
	t.Skipf("%s is missing: make deps installs it", name)
}
