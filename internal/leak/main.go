// Package leak makes sure that the tests of a package leave no goroutine behind.
package leak

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// Main runs the tests of a package. It fails where something that a test began
// is not over soon after the last test. While fuzzing, package testing has
// goroutines of its own. It is what TestMain calls.
func Main(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	fuzzing := flag.Lookup("test.fuzz").Value.String() != ""
	if code == 0 && !fuzzing && left(before) > 0 {
		all := make([]byte, 1<<20)
		fmt.Printf("%d goroutines are left:\n%s\n", left(before), all[:runtime.Stack(all, true)])
		code = 1
	}
	os.Exit(code)
}

// left is how many goroutines there are more than before, once those that were
// about to end had their time.
func left(before int) int {
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		n := runtime.NumGoroutine() - before
		if n <= 0 {
			return 0
		}
		select {
		case <-tick.C:
		case <-deadline:
			return n
		}
	}
}
