package iso_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

func TestReference(t *testing.T) {
	r := iso.Reference{Limit: 3}
	value := []byte("1234")
	r.Set(value)
	value[0] = 0
	assert.Equal(t, iso.Reference{Value: []byte("1234"), Limit: 3, Left: 3}, r, "Set clones the value")

	assert.True(t, r.Matches([]byte("1234")))
	assert.False(t, r.Matches([]byte("12345")))
	assert.Zero(t, r.Sent, "Matches does not count")

	assert.True(t, r.Compare([]byte("1234")))
	assert.False(t, r.Verified, "the caller sets it")
	r.Verified = true
	assert.False(t, r.Compare(nil))
	assert.Equal(t, iso.Reference{Value: []byte("1234"), Limit: 3, Left: 2, Sent: 2, Spent: 1}, r)
	assert.True(t, r.Compare([]byte("1234")))
	assert.Equal(t, 3, r.Left)
	assert.Equal(t, 1, r.Spent, "a success does not reset Spent")
}
