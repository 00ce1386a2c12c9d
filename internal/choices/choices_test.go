package choices_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/internal/choices"
	"github.com/stretchr/testify/assert"
)

// The number of choices of a run may depend on earlier ones.
func TestChoices(t *testing.T) {
	var c choices.Choices
	var runs [][]int
	for more := true; more; more = c.Next() {
		run := []int{c.Pick(2)}
		if run[0] == 1 {
			run = append(run, c.Pick(3))
		}
		runs = append(runs, run)
	}
	assert.Equal(t, [][]int{{0}, {1, 0}, {1, 1}, {1, 2}}, runs)
}
