package interop

import (
	"fmt"
	"os"
	"testing"
)

// Switch is the environment variable that turns these tests on.
const Switch = "SMARTLOGON_INTEROP"

// On reports whether the tests are to run. Where not, it prints why.
func On() bool {
	if os.Getenv(Switch) != "" {
		return true
	}
	fmt.Printf("skipped: tests with a real PC/SC service and foreign programs run where %s is set, as by make interop\n", Switch)
	return false
}

// Require skips a test unless the tests are to run.
func Require(t *testing.T) {
	t.Helper()
	if os.Getenv(Switch) == "" {
		t.Skipf("%s is not set: no real PC/SC service", Switch)
	}
}
