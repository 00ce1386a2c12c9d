//go:build race

package card_test

// racing reports that the race detector is on, which makes tests slower.
const racing = true
