//go:build linux

package interop_test

import (
	"archive/zip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/stretchr/testify/require"
)

const (
	module  = "github.com/smartlogon/smartlogon"
	release = "v0.0.1"
)

// newProxy returns a module proxy that serves the working tree from files (https://go.dev/ref/mod#goproxy-protocol).
func newProxy(t *testing.T) (url string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	versions := filepath.Join(dir, module, "@v")
	require.NoError(t, os.MkdirAll(versions, 0o755))
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	for name, content := range map[string]string{
		"list":            release + "\n",
		release + ".info": fmt.Sprintf(`{"Version": %q, "Time": "2026-01-01T00:00:00Z"}`, release),
		release + ".mod":  string(mod),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(versions, name), []byte(content), 0o644))
	}
	file, err := os.Create(filepath.Join(versions, release+".zip"))
	require.NoError(t, err)
	defer file.Close()
	archive := zip.NewWriter(file)
	files, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files").Output()
	require.NoError(t, err)
	nested := regexp.MustCompile(`(?m)^(.+/)go\.mod$`).FindAllSubmatch(files, -1)
	for name := range strings.Lines(string(files)) {
		name = strings.TrimSuffix(name, "\n")
		// The files of a nested module are not in the zip of this one.
		if slices.ContainsFunc(nested, func(m [][]byte) bool { return strings.HasPrefix(name, string(m[1])) }) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, not yet committed
		}
		require.NoError(t, err)
		w, err := archive.Create(module + "@" + release + "/" + name)
		require.NoError(t, err)
		_, err = w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	return "file://" + dir
}

// TestCardInAnotherModule runs a test of another module with a software card.
func TestCardInAnotherModule(t *testing.T) {
	interop.Require(t, pcscd)
	const test = `package login_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
)

func TestLogin(t *testing.T) {
	svc := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer svc.Close()
	find := enumerate.Finder{Service: svc}
	if credentials, err := find.Offered(t.Context()); err != nil || credentials[0].Names.UPNs[0] != "alice@example.com" {
		t.Fatal(credentials, err)
	}
}
`
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "login_test.go"), []byte(test), 0o644))
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE", "GOPROXY").Output()
	require.NoError(t, err)
	paths := strings.Fields(string(cache))
	env := append(os.Environ(), "GOSUMDB=off", "GOFLAGS=-mod=mod -modcacherw", "CGO_ENABLED=0", "GOMODCACHE="+t.TempDir(),
		// The dependencies were downloaded to build this test.
		"GOPROXY="+newProxy(t)+",file://"+paths[0]+"/cache/download,"+strings.Join(paths[1:], ","))
	for _, args := range [][]string{
		{"mod", "init", "example.com/login"},
		{"get", module + "@" + release},
		{"test", "-count=1", "-v", "./..."},
	} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
		if args[0] == "test" {
			require.Contains(t, string(out), "--- PASS: TestLogin")
		}
	}
}
