//go:build race

package card_test

// racing says that the race detector is at work, which makes all slower.
const racing = true
