//go:build race

package realcards_test

// racing reports that the race detector is on, which makes tests slower.
const racing = true
