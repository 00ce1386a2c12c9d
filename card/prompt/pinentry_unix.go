//go:build unix

package prompt

import (
	"os"

	"golang.org/x/sys/unix"
)

// ttyPath returns the controlling terminal for a program that this one starts, empty
// if there is none.
func ttyPath() string {
	const path = "/dev/tty"
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return ""
	}
	f.Close()
	return path
}

// terminate ends a program so that it can restore the terminal.
func terminate(p *os.Process) error { return p.Signal(unix.SIGTERM) }
