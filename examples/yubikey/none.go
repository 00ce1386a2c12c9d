//go:build !(windows || (cgo && !pcsclite_go))

// Yubikey needs piv-go, which links the PC/SC library of the system.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "yubikey: built without piv-go: build with cgo and without the tag pcsclite_go")
	os.Exit(1)
}
