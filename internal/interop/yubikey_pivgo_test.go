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

// pivGoTests builds the tests of piv-go, as they are.
func pivGoTests(t *testing.T) string {
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

// The tests of piv-go take the software card for a YubiKey, at the firmware
// versions at which YubiKeys changed. They erase it.
func TestPIVGo(t *testing.T) {
	interop.Require(t, pcscd)
	program := pivGoTests(t)
	passed := regexp.MustCompile(`(?m)^--- PASS: Test`)
	skipped := regexp.MustCompile(`(?m)^--- SKIP: (\w+)`)
	for _, firmware := range []string{"4.3.5", "5.2.7", "5.4.3", "5.7.1"} {
		t.Run(firmware, func(t *testing.T) {
			// It wants an attestation by Yubico's own authority.
			skip := []string{"TestYubiKeyAttestation"}
			if firmware < "5.7" {
				// YubiKeys have X25519 from 5.7 on; the test does not ask.
				skip = append(skip, "TestYubiKeyX25519ECDH")
			}
			socket := softcard(t, "-app", "yubikey-"+firmware)
			// It makes RSA keys of 512 bits, to see them refused.
			t.Setenv("GODEBUG", "rsa1024min=0")
			out := ranOn(t, socket, program, "-test.v", "-test.timeout", "5m", "-wipe-yubikey",
				"-test.skip", "^("+strings.Join(skip, "|")+")$")
			n := len(passed.FindAllString(out, -1))
			assert.GreaterOrEqual(t, n, 44)
			var notRun []string
			for _, m := range skipped.FindAllStringSubmatch(out, -1) {
				notRun = append(notRun, m[1])
			}
			fmt.Printf("ran piv-go %s on firmware %s: %d tests passed, skipped by itself: %s\n", pivGoVersion, firmware, n, strings.Join(notRun, " "))
		})
	}
}
