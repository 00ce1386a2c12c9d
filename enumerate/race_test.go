//go:build race

package enumerate_test

// racing says that the race detector is at work, which makes all slower.
const racing = true
