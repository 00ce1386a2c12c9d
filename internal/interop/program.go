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

// Program finds a foreign program. If the test passes, it prints that the program
// ran, and in which version, as the answer to another command tells. A missing one
// skips the test, and fails it where CI is set.
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
	var out, noise bytes.Buffer
	cmd := exec.CommandContext(ctx, versionCommand[0], versionCommand[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &noise
	_ = cmd.Run() // some programs exit with an error after they told
	number := version.Find(append(out.Bytes(), noise.Bytes()...))
	if number == nil {
		t.Fatalf("%s does not tell its version: %.200q", name, out.String()+noise.String())
	}
	t.Cleanup(func() {
		if !t.Failed() {
			fmt.Printf("ran %s %s\n", name, number)
		}
	})
	return path
}

// Missing says that something is not there, which skips the test, and fails it where
// CI is set.
func Missing(t *testing.T, name string) {
	t.Helper()
	fmt.Printf("missing %s\n", name)
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: make deps installs it", name)
	}
	t.Skipf("%s is missing: make deps installs it", name)
}
