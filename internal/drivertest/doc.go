// Package drivertest checks that a [driver.Service] keeps its contract. One body
// of tests runs on software readers in the process, on clients of a service of
// ours, and on those of a real one: the same results, the same errors.
package drivertest
