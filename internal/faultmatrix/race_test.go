//go:build race

package faultmatrix_test

// raceEnabled reports whether the race detector is on, which makes a case several
// times slower.
const raceEnabled = true
