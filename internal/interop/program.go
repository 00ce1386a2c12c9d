package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"
)

var version = regexp.MustCompile(`\d+(\.\d+)+[-+~.\w]*`)

// Program finds a foreign program and prints that it ran, and in which version,
// as its answer to args tells. A missing one skips the test, and fails it where
// CI is set.
func Program(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name)
		return ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	// Some exit with an error after they told.
	out, _ := exec.CommandContext(ctx, path, args...).CombinedOutput()
	number := version.Find(out)
	if number == nil {
		t.Fatalf("%s does not tell its version: %.200q", name, out)
	}
	fmt.Printf("ran %s %s\n", name, number)
	return path
}

func missing(t *testing.T, name string) {
	t.Helper()
	fmt.Printf("missing %s\n", name)
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: make deps installs it", name)
	}
	t.Skipf("%s is missing: make deps installs it", name)
}
