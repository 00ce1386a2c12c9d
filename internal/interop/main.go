//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Switch is the environment variable that enables the tests.
const Switch = "SMARTLOGON_INTEROP"

// Main runs the tests of a package. If they are enabled and pcscd is installed, it
// starts one first and stores it in *pcscd. All tests share it, as libpcsclite looks
// up the socket once per process. The names are those of [NewPCSCD].
func Main(m *testing.M, pcscd **PCSCD, names ...string) (status int) {
	if os.Getenv(Switch) == "" {
		fmt.Printf("skipped: tests with a real PC/SC service and foreign programs run where %s is set, as by make interop\n", Switch)
		return m.Run()
	}
	if program := missing(); program != "" {
		fmt.Println("missing", program)
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

// missing returns what is not installed of the real service, "" if nothing.
func missing() string {
	if _, err := exec.LookPath(daemon); err != nil {
		return "pcscd"
	}
	if _, err := os.Stat(driverFile); err != nil {
		return "vpcd"
	}
	return ""
}

// Require skips the test if there is no pcscd.
func Require(t *testing.T, p *PCSCD) {
	t.Helper()
	if p == nil {
		t.Skipf("no real PC/SC service: %s is not set, or a program is missing", Switch)
	}
}
