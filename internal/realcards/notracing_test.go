//go:build !race

package realcards_test

const racing = false
