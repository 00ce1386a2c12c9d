package main

import (
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestSignIn(t *testing.T) {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer service.Close()
	name, answer, err := signIn(t.Context(), service, card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	assert.Equal(t, "alice@example.com", name)
	assert.NotEmpty(t, answer)
}

func TestNoCard(t *testing.T) {
	service := cardtest.NewReaders(nil).Service()
	defer service.Close()
	_, _, err := signIn(t.Context(), service, card.FixedPIN(cardtest.PIN))
	assert.ErrorIs(t, err, card.ErrNoCard)
}

// The program prints the error as it is.
func TestErrorQuotesReader(t *testing.T) {
	readers := cardtest.NewReaders()
	readers.Plug("\x1b[2J", nil)
	readers.Insert("\x1b[2J", cardtest.PIV(cardtest.PIVMissing))
	service := readers.Service()
	defer service.Close()
	_, _, err := signIn(t.Context(), service, card.FixedPIN(cardtest.PIN))
	assert.ErrorContains(t, err, `"\x1b[2J"`)
}
