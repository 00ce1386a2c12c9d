package cardtest_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTypes(t *testing.T) {
	soft := cardtest.PIV()
	service := cardtest.NewService(soft)
	defer service.Close()
	c, err := service.Card(t.Context(), "Software Reader 00")
	require.NoError(t, err)
	holder := piv.New(c).Holder()

	ask := cardtest.Types("999999", "654321", cardtest.PIN, "654321") // current and new PIN, twice
	require.NoError(t, holder.ChangePIN(t.Context(), ask))
	assert.Equal(t, 1, soft.Spent())
	err = holder.ChangePIN(t.Context(), ask)
	assert.ErrorContains(t, err, "cardtest: PIN asked for after the 4 typed")
	assert.NotContains(t, err.Error(), "654321")

	err = holder.ChangePIN(t.Context(), cardtest.Types("111111", "123123", "222222", "123123", "333333", "123123"))
	assert.ErrorIs(t, err, card.ErrLastTry)
	assert.Equal(t, 1, soft.RetriesLeft())
}
