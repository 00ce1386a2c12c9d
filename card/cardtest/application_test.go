package cardtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
)

// An echo is an application that returns the data of every command.
type echo struct{ resets int }

func (e *echo) AID() []byte { return []byte("\xF0ECHO") }
func (e *echo) Reset()      { e.resets++ }

func (e *echo) Process(c card.Command) ([]byte, card.Status) { return c.Data, card.StatusOK }
func (e *echo) PIN() (left, spent int, verified bool)        { return 4, 2, e.resets == 1 }

func TestNew(t *testing.T) {
	app := new(echo)
	c := cardtest.New(app, cardtest.ReadOnly)
	assert.Equal(t, []int{4, 2}, []int{c.RetriesLeft(), c.Spent()})
	assert.True(t, c.Verified())
	c.Reset()
	assert.False(t, c.Verified())

	combined := cardtest.Combine(cardtest.PIV(), c)
	response, err := combined.Transmit([]byte("\x00\xA4\x04\x00\x05\xF0ECHO\x00"))
	assert.NoError(t, err)
	assert.Equal(t, "\xF0ECHO\x90\x00", string(response))
	assert.Equal(t, uint16(0x6985), send(t, combined, []byte("\x00\xDB\x00\x00")))
	assert.Equal(t, 1, c.Writes())

	assert.PanicsWithValue(t, `cardtest: container "9A": the application is the test's`, func() { c.Put("9A", nil, nil) })
	assert.PanicsWithValue(t, "cardtest: PIVGzip is an option of PIV cards, not of other cards", func() { cardtest.New(app, cardtest.PIVGzip) })
}
