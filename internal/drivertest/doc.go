// Package drivertest tests implementations of [driver.Service] against its
// contract. [Run] runs the same tests on the in-process software readers, on the
// clients of package pcsclite, on the binding of the system's library, and on a
// real pcscd, and expects the same results and errors.
package drivertest
