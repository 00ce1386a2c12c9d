package pkinit

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCloseZeroesKey(t *testing.T) {
	key := []byte{1, 2, 3, 4}
	tgt := &TGT{key: key}
	require.NoError(t, tgt.Close())
	assert.Equal(t, make([]byte, 4), key)
}
