//go:build linux

package interop_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	pivGo        = "github.com/go-piv/piv-go/v2"
	pivGoVersion = "v2.6.0"
)

// buildPIVGoTests builds piv-go's tests, unmodified.
func buildPIVGoTests(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module none\n\ngo 1.25\n"), 0o644))
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", pivGo+"@"+pivGoVersion)
	download.Dir = dir
	out, err := download.Output()
	require.NoError(t, err, "%s", out)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &module))

	program := filepath.Join(dir, "piv.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, "./piv")
	build.Dir = module.Dir
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err = build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// TestPIVGo runs piv-go's tests on the software YubiKey, with the firmware versions
// at which YubiKeys changed.
func TestPIVGo(t *testing.T) {
	interop.Require(t, pcscd)
	program := buildPIVGoTests(t)
	passed := regexp.MustCompile(`(?m)^--- PASS: Test`)
	skipped := regexp.MustCompile(`(?m)^--- SKIP: (\w+)`)
	for _, firmware := range []string{"4.3.5", "5.2.7", "5.4.3", "5.7.1"} {
		t.Run(firmware, func(t *testing.T) {
			// It needs an attestation by Yubico.
			skip := []string{"TestYubiKeyAttestation"}
			if firmware < "5.7" {
				// X25519 needs 5.7, which the test does not check.
				skip = append(skip, "TestYubiKeyX25519ECDH")
			}
			socket := softcard(t, "-app", "yubikey-"+firmware)
			// A test generates RSA keys of 512 bits, to see them refused.
			t.Setenv("GODEBUG", "rsa1024min=0")
			out := mustRunOn(t, socket, program, "-test.v", "-test.timeout", "5m", "-wipe-yubikey",
				"-test.skip", "^("+strings.Join(skip, "|")+")$")
			n := len(passed.FindAllString(out, -1))
			assert.GreaterOrEqual(t, n, 44)
			var notRun []string
			for _, m := range skipped.FindAllStringSubmatch(out, -1) {
				notRun = append(notRun, m[1])
			}
			fmt.Printf("ran piv-go %s on firmware %s: %d tests passed, skipped by piv-go: %s\n", pivGoVersion, firmware, n, strings.Join(notRun, " "))
		})
	}
}
