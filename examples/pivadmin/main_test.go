package main

import (
	"bytes"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestSoftwareCard(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-upn", "bob@example.com"}, &out))
	assert.Contains(t, out.String(), "management key accepted")
	assert.Contains(t, out.String(), `for "bob@example.com".`)
	assert.Contains(t, out.String(), "9A: tile \"bob@example.com\", offered: true\n")
}

func TestWrongManagementKey(t *testing.T) {
	t.Setenv("TEST_KEY", "000000000000000000000000000000000000000000000000")
	var out bytes.Buffer
	err := run(t.Context(), []string{"-key-env", "TEST_KEY"}, &out)
	assert.Error(t, err)
	assert.Empty(t, out.String())

	t.Setenv("TEST_KEY", "0101010101010101010101010101010101010101010101ff")
	err = run(t.Context(), []string{"-key-env", "TEST_KEY"}, &out)
	assert.ErrorIs(t, err, piv.ErrManagementKey)
	assert.NotEmpty(t, card.Hint(err))
	assert.Empty(t, out.String())
}

func TestReaderIsRequired(t *testing.T) {
	assert.ErrorContains(t, run(t.Context(), []string{"-pcsc"}, new(bytes.Buffer)), "-reader")
}

func TestNoKeyInVariable(t *testing.T) {
	assert.ErrorContains(t, run(t.Context(), []string{"-key-env", "NO_SUCH_VARIABLE"}, new(bytes.Buffer)), "NO_SUCH_VARIABLE")
}
