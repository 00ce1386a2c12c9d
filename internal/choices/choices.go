// Package choices repeats a test once for each way to choose in it.
package choices

import (
	"fmt"
	"slices"
)

// Choices are the choices of one run. The zero value is the first run:
//
//	var c choices.Choices
//	for more := true; more; more = c.Next() {
//		run(&c) // calls Pick
//	}
type Choices struct {
	path []choice
	at   int
}

type choice struct{ taken, of int }

// Pick chooses one of n, 0 at first.
func (c *Choices) Pick(n int) int {
	if c.at == len(c.path) {
		c.path = append(c.path, choice{0, n})
	}
	c.at++
	return c.path[c.at-1].taken
}

// Next prepares the next run, and reports whether there is one.
func (c *Choices) Next() bool {
	c.path = c.path[:c.at]
	c.at = 0
	for n := len(c.path); n > 0; n-- {
		if last := &c.path[n-1]; last.taken+1 < last.of {
			last.taken++
			c.path = c.path[:n]
			return true
		}
	}
	return false
}

// String returns what was chosen in this run so far, as {taken of} each.
func (c *Choices) String() string { return fmt.Sprint(slices.Clone(c.path[:c.at])) }
