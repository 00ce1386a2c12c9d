//go:build !unix

package cli

import "os"

// Terminate is the signal that asks a process to end.
var Terminate = os.Kill
