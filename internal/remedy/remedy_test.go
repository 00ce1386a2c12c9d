package remedy_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/remedy"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	one, other := remedy.New("card is upside down", "Turn it over."), remedy.New("card is upside down", "Turn it over.")
	assert.EqualError(t, one, "card is upside down")
	assert.Equal(t, "Turn it over.", card.Hint(fmt.Errorf("reader: %w", one)))
	assert.NotErrorIs(t, one, other)
}
