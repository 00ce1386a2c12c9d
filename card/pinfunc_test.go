package card_test

import (
	"context"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
)

// A PINFunc may return r.Refused to give up.
func TestPINFuncReturnsRefusal(t *testing.T) {
	soft := cardtest.Logon("alice@example.com")
	service := cardtest.NewService(soft)
	defer service.Close()
	c, err := service.Card(t.Context(), "Software Reader 00")
	assert.NoError(t, err)
	asked := 0
	_, err = piv.New(c).Key(t.Context(), piv.Authentication, cardtest.Key(cardtest.RSA2048, 0).Public(),
		func(_ context.Context, r card.PINRequest) (card.PIN, error) {
			if asked++; r.Refused != nil {
				return card.PIN{}, r.Refused
			}
			return card.NewPIN([]byte("86420975")), nil
		})
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.Equal(t, 2, asked)
	assert.Equal(t, 1, soft.Spent())
}
