// Package interop runs what is not ours beside what is: a real pcscd with
// virtual readers, and programs that other people wrote. Its users are tests
// that run only where the environment variable of [Switch] is set, as `make
// interop` does; `make deps` installs what they need.
package interop
