package smartlogon_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestDependencies checks that CONTRIBUTING.md names each module with its reason and
// license.
func TestDependencies(t *testing.T) {
	contributing := readFile(t, "CONTRIBUTING.md")
	n := 0
	for line := range strings.Lines(readFile(t, "go.mod")) {
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "\t") || strings.HasSuffix(strings.TrimSpace(line), "// indirect") {
			continue
		}
		n++
		_, row, found := strings.Cut(contributing, "| `"+fields[0]+"` | ")
		row, _, _ = strings.Cut(row, "\n")
		assert.True(t, found, fields[0])
		assert.Equal(t, 2, strings.Count(row, "|"), "%s: reason and license", fields[0])
	}
	assert.LessOrEqual(t, n, 10)
	assert.NotZero(t, n)
}
