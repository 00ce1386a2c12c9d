//go:build linux

package interop_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A wine runs programs in a new Wine prefix.
type wine struct {
	t      *testing.T
	path   string
	prefix string
}

func newWine(t *testing.T) wine {
	interop.Require(t, pcscd)
	gcc := interop.Program(t, "x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-gcc", "-dumpversion")
	w := wine{t, interop.Program(t, "wine", "wine", "--version"), filepath.Join(t.TempDir(), "prefix")}
	t.Cleanup(func() { // the server keeps files open
		cmd := exec.Command("wineserver", "--kill", "--wait")
		cmd.Env = w.env()
		_ = cmd.Run() // fails if the server has ended
	})
	w.run("cmd", "/c", "exit")
	out, err := exec.CommandContext(t.Context(), gcc, "-shared", "-o",
		filepath.Join(w.prefix, "drive_c/windows/system32/bcryptprimitives.dll"),
		"testdata/bcryptprimitives.c", "-ladvapi32").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return w
}

func (w wine) env() []string {
	return append(os.Environ(), "WINEPREFIX="+w.prefix, "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml=",
		"HOME="+filepath.Dir(w.prefix), "DISPLAY=")
}

// run returns the standard output of a program.
func (w wine) run(args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.path, args...)
	cmd.Env = append(w.env(), "SMARTLOGON_TEST_REGISTRY=1", "SMARTLOGON_VECTORS=")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(w.t, err, "%s\n%s", out, stderr.String())
	return string(out)
}

// build builds a package of this module.
func build(t *testing.T, system, kind, to, from string) string {
	t.Helper()
	args := append(strings.Fields(kind), "-o", to, from)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return to
}

// TestWine runs Windows programs: the tests of package rules, which read the
// registry, and explain, whose output must be that on Linux.
func TestWine(t *testing.T) {
	w := newWine(t)

	t.Run("tests of package rules", func(t *testing.T) {
		w := wine{t, w.path, w.prefix}
		tests := build(t, "windows", "test -c", filepath.Join(t.TempDir(), "rules.exe"), "../../enumerate/rules")
		t.Chdir("../../enumerate/rules")
		out := w.run(tests, "-test.v", "-test.run", "^(TestSystem|Example|TestRule|TestCheck)")
		assert.Contains(t, out, "--- PASS: TestSystem")
		assert.NotContains(t, out, "SKIP")
	})

	t.Run("output of explain", func(t *testing.T) {
		w := wine{t, w.path, w.prefix}
		dir := t.TempDir()
		native := build(t, "linux", "build", filepath.Join(dir, "explain"), "../../examples/explain")
		windows := build(t, "windows", "build", filepath.Join(dir, "explain.exe"), "../../examples/explain")
		t.Chdir("../../enumerate/rules/testdata")
		files, err := filepath.Glob("*.pem")
		require.NoError(t, err)
		require.NotEmpty(t, files)

		const key = `HKLM\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider`
		policies := []string{"AllowCertificatesWithNoEKU", "AllowSignatureOnlyKeys", "AllowTimeInvalidCertificates", "EnumerateECCCerts"}
		set := ""
		for n := range len(policies) + 1 {
			args := append([]string{"-json", "-at", "2026-01-01T00:00:00Z"}, files...)
			nativeArgs := append([]string{}, args...)
			if n > 0 {
				w.run("reg", "add", key, "/v", policies[n-1], "/t", "REG_DWORD", "/d", "1", "/f")
				set += "," + policies[n-1] + "=1"
				nativeArgs = append([]string{"-policy", set[1:]}, args...)
			}
			want, err := exec.CommandContext(t.Context(), native, nativeArgs...).Output()
			require.NoError(t, err)
			got := w.run(append([]string{windows}, args...)...)
			assert.Equal(t, string(want), strings.ReplaceAll(got, "\r\n", "\n"), "%q", set)
			assert.Contains(t, got, `"offered"`)
		}
	})
}
