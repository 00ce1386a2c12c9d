//go:build !race

package enumerate_test

const racing = false
