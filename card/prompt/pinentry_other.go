//go:build !unix

package prompt

import "os"

// ttyPath returns no path: a program shows a window.
func ttyPath() string { return "" }

func terminate(p *os.Process) error { return p.Kill() }
