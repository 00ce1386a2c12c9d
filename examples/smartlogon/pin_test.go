package main

import (
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPINStatus(t *testing.T) {
	readers := cardtest.NewReaders(
		cardtest.Logon("alice@example.com"), bobCard(), cardtest.PIV(cardtest.RetriesLeft(0)),
		cardtest.PIV(cardtest.RetriesLeft(1)), cardtest.PIV(cardtest.EmptyVerifyRefused), cardtest.PIV(cardtest.PIVMissing), nil)
	defer readers.Close()
	out, err := smartlogon(t, readers, "pin", "status", "-json")
	require.NoError(t, err)
	list := decodeLines[pinState](t, out)
	require.Len(t, list, 7)
	three, zero, one := 3, 0, 1
	assert.Equal(t, pinState{Reader: "Software Reader 00", Application: "PIV", Retries: &three}, list[0])
	assert.Equal(t, pinState{Reader: "Software Reader 01", Application: "GIDS", Retries: &three}, list[1])
	assert.Equal(t, pinState{Reader: "Software Reader 02", Application: "PIV", Retries: &zero, Blocked: true}, list[2])
	assert.Equal(t, pinState{Reader: "Software Reader 03", Application: "PIV", Retries: &one}, list[3])
	assert.Equal(t, pinState{Reader: "Software Reader 04", Application: "PIV"}, list[4])
	assert.NotEmpty(t, list[5].Error)
	assert.NotEmpty(t, list[5].Remedy)
	assert.Equal(t, card.Hint(card.ErrNoCard), list[6].Remedy)

	out, err = smartlogon(t, readers, "pin", "status")
	require.NoError(t, err)
	for _, want := range []string{"retries left: 3", "blocked: smartlogon pin unblock", "retries left: 1, a wrong PIN blocks", "retries left: not reported"} {
		assert.Contains(t, out, want)
	}
	out, err = smartlogon(t, readers, "pin", "status", "-reader", "Software Reader 01", "-json")
	require.NoError(t, err)
	assert.Len(t, decodeLines[pinState](t, out), 1)
}

func TestPINChange(t *testing.T) {
	t.Setenv("OLD", cardtest.PIN)
	t.Setenv("NEW", "654321")
	blank := cardtest.PIV() // a card without a certificate has a PIN, too
	for _, soft := range []*cardtest.Card{cardtest.Logon("alice@example.com"), bobCard(), blank} {
		readers := cardtest.NewReaders(soft, nil)
		out, err := smartlogon(t, readers, "pin", "change", "-pin-env", "OLD", "-new-pin-env", "NEW")
		require.NoError(t, err)
		assert.Contains(t, out, "is set.")
		assert.NotContains(t, out, "654321")
		out, err = smartlogon(t, readers, "pin", "change", "-pin-env", "NEW", "-new-pin-env", "OLD", "-json")
		require.NoError(t, err)
		assert.Len(t, decodeLines[pinState](t, out), 1)
		assert.Zero(t, soft.Spent())
		require.NoError(t, readers.Close())
	}
}

func TestPINUnblock(t *testing.T) {
	t.Setenv("PUK", "12345678")
	t.Setenv("NEW", "654321")
	soft := cardtest.Logon("alice@example.com", cardtest.RetriesLeft(0))
	readers := cardtest.NewReaders(soft)
	defer readers.Close()
	args := []string{"pin", "unblock", "-pin-env", "PUK", "-new-pin-env", "NEW"}
	_, err := smartlogon(t, readers, args...)
	assert.ErrorContains(t, err, "PUK not sent: the number of retries left is not known")
	_, err = smartlogon(t, readers, append(args, "-unknown-retries")...)
	require.NoError(t, err)
	out, err := smartlogon(t, readers, "pin", "status")
	require.NoError(t, err)
	assert.Contains(t, out, "retries left: 3")
}

func TestPINRefused(t *testing.T) {
	t.Setenv("WRONG", "999999")
	t.Setenv("NEW", "1")
	t.Setenv("OLD", cardtest.PIN)
	soft := cardtest.Logon("alice@example.com")
	readers := cardtest.NewReaders(soft)
	defer readers.Close()
	_, err := smartlogon(t, readers, "pin", "change", "-pin-env", "WRONG", "-new-pin-env", "OLD")
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.Equal(t, 1, soft.Spent())
	_, err = smartlogon(t, readers, "pin", "change", "-pin-env", "OLD", "-new-pin-env", "NEW")
	assert.ErrorIs(t, err, card.ErrNewPIN)
	_, err = smartlogon(t, readers, "pin", "change", "-pin-env", "OLD", "-new-pin-env", "MISSING")
	assert.ErrorContains(t, err, "variable MISSING: no PIN")
	assert.NotContains(t, err.Error(), cardtest.PIN)
}

func TestPINOfSeveralCards(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.PIV(), cardtest.PIV())
	defer readers.Close()
	var usage *cli.UsageError
	_, err := smartlogon(t, readers, "pin", "change")
	require.ErrorAs(t, err, &usage)
	assert.ErrorContains(t, err, "name one with -reader")

	both := cardtest.NewReaders(cardtest.Combine(cardtest.PIV(), bobCard()))
	defer both.Close()
	_, err = smartlogon(t, both, "pin", "change")
	require.ErrorAs(t, err, &usage)
	assert.ErrorContains(t, err, "name an application of the card with -app: PIV, GIDS")

	none := cardtest.NewReaders(nil)
	defer none.Close()
	_, err = smartlogon(t, none, "pin", "change")
	assert.ErrorIs(t, err, card.ErrNoCard)
}
