// Package realcards runs the jobs of programs on the card models of package cardtest.
// It has tests only. README.md is the table that they print.
package realcards
