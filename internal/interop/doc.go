// Package interop runs a real pcscd with virtual readers, and foreign programs, for
// tests. These tests run if the environment variable [Switch] is set, as make
// interop does. make deps installs what they need.
package interop
