package reader_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/part10"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

func TestALongCommandDoesNotReachTheCard(t *testing.T) {
	set := reader.New(name)
	card := newCounter()
	require.NoError(t, set.Insert(name, card))
	require.NoError(t, set.SetLimit(name, reader.Limit{MaxCommand: 255}))
	c := connect(t, set, reader.Mode{})
	assert.Equal(t, 1, transmit(t, c))
	_, err := c.Transmit(make([]byte, 256))
	assert.ErrorIs(t, err, driver.NotTransacted)
	assert.EqualValues(t, 1, card.commands)
	_, err = c.Transmit(make([]byte, 255))
	assert.NoError(t, err)
	assert.EqualValues(t, 2, card.commands)
}

func TestReaderReportsItsLimit(t *testing.T) {
	set := reader.New(name)
	require.NoError(t, set.Insert(name, newCounter()))
	assert.ErrorIs(t, set.SetLimit("nowhere", reader.Limit{}), driver.UnknownReader)
	s := set.Service()
	defer s.Close()
	c, err := s.Connect(t.Context(), name)
	require.NoError(t, err)
	defer c.Close(false)
	for _, tt := range []struct {
		limit reader.Limit
		size  int
		ok    bool
	}{
		{reader.Limit{}, 1 << 16, true},
		{reader.Limit{DataSize: 256}, 256, true},
		{reader.Limit{DataSize: 1024}, 1024, true},
		{reader.Limit{DataSize: 1 << 17}, 0, false},
		{reader.Limit{DataSize: -1}, 0, false},
	} {
		require.NoError(t, set.SetLimit(name, tt.limit))
		size, ok := part10.MaxDataSize(c.(driver.Controller))
		assert.Equal(t, tt.ok, ok)
		assert.Equal(t, tt.size, size)
	}
}
