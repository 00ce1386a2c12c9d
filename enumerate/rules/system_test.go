//go:build !windows

package rules_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/stretchr/testify/assert"
)

func TestSystemHasNoPolicyHere(t *testing.T) {
	p, err := rules.System()
	assert.NoError(t, err)
	assert.Zero(t, p)
}
