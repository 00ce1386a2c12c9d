//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Switch is the environment variable that turns these tests on.
const Switch = "SMARTLOGON_INTEROP"

// Main runs the tests of a package, with a pcscd if they are turned on and it is
// there; it says if not. One for all tests: libpcsclite looks for the socket
// once a process. The names are as for [NewPCSCD].
func Main(m *testing.M, pcscd **PCSCD, names ...string) (status int) {
	if os.Getenv(Switch) == "" {
		fmt.Printf("skipped: tests with a real PC/SC service and foreign programs run where %s is set, as by make interop\n", Switch)
		return m.Run()
	}
	if what := absent(); what != "" {
		fmt.Println("missing", what)
		if os.Getenv("CI") != "" {
			fmt.Println("make deps installs it")
			return 1
		}
		return m.Run()
	}
	p, err := NewPCSCD(names...)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer func() {
		if err := p.Close(); err != nil {
			fmt.Println(err)
			status = 1
		}
	}()
	*pcscd = p
	return m.Run()
}

// absent names what the real service lacks.
func absent() string {
	if _, err := exec.LookPath(daemon); err != nil {
		return "pcscd"
	}
	if _, err := os.Stat(driverFile); err != nil {
		return "vpcd"
	}
	return ""
}

// Require skips a test where there is no pcscd.
func Require(t *testing.T, p *PCSCD) {
	t.Helper()
	if p == nil {
		t.Skipf("no real PC/SC service: %s is not set, or something is missing", Switch)
	}
}
