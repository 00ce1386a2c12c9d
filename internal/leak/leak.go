// Package leak checks that the tests of a package leave no goroutine behind.
package leak

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// Main runs the tests of a package; TestMain calls it. It fails if goroutines that
// a test started still run soon after the last test. It does not check while
// fuzzing, when package testing has goroutines of its own.
func Main(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	fuzzing := flag.Lookup("test.fuzz").Value.String() != ""
	if code == 0 && !fuzzing && leaked(before) > 0 {
		stacks := make([]byte, 1<<20)
		fmt.Printf("leak: %d goroutines are left:\n%s\n", leaked(before), stacks[:runtime.Stack(stacks, true)])
		code = 1
	}
	os.Exit(code)
}

// leaked returns how many more goroutines than before run. It waits for those that
// are about to end.
func leaked(before int) int {
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
