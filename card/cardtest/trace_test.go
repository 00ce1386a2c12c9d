package cardtest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
)

func TestTraceMasksPINs(t *testing.T) {
	var out strings.Builder
	r := cardtest.NewReaders(cardtest.PIV(), cardtest.PIV())
	k := connect(t, r)
	r.Trace(&out)
	for _, command := range [][]byte{selectPIV, rightPIN, {0x00, 0x20}, {0x10, 0x24, 0x00, 0x80, 0x03, '1', '2', '3'}, {0x00, 0x24, 0x00, 0x80, 0x03, '4', '5', '6'}} {
		_, _ = k.Transmit(command) // a truncated command has no response
	}
	r.Trace(nil)
	_, err := k.Transmit(selectPIV)
	require.NoError(t, err)
	text := out.String()
	assert.Equal(t, 1, strings.Count(text, "SELECT"))
	assert.Contains(t, text, "> 0020008008****************  VERIFY 80: PIN  ["+first+"]\n")
	for _, secret := range []string{"313233", "343536"} {
		assert.NotContains(t, text, secret)
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		assert.Regexp(t, `^[<>] `, line)
	}
}

func TestTraceOfAnEmptyResponse(t *testing.T) {
	var out strings.Builder
	r := cardtest.NewReaders(cardtest.PIV())
	k := connect(t, r)
	r.Trace(&out)
	r.Fault(first, 1, cardtest.Fault{What: cardtest.Empty})
	r.Fault(first, 2, cardtest.Fault{What: cardtest.NoResponse})
	_, _ = k.Transmit(selectPIV)
	_, err := k.Transmit(selectPIV)
	assert.ErrorIs(t, err, driver.NotTransacted)
	assert.Contains(t, out.String(), "<  no status word\n")
	assert.Contains(t, out.String(), "<  "+err.Error()+"\n")
}

// Traces of GIDS cards contain no PIN, no key and no decrypted data.
func TestTraceOfAGIDSCard(t *testing.T) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0)})
	var out strings.Builder
	readers := cardtest.NewReaders(cardtest.GIDS().Put("kxc00", key, der))
	defer readers.Close()
	readers.Trace(&out)
	svc := readers.Service()
	defer svc.Close()
	c, err := svc.Card(t.Context(), "Software Reader 00")
	require.NoError(t, err)
	require.NoError(t, c.Do(context.Background(), func(tx *card.Tx) error {
		for _, b := range [][]byte{
			selectGIDS, plainPIN,
			{0x00, 0x24, 0x00, 0x80, 12, '1', '2', '3', '4', '5', '6', '6', '5', '4', '3', '2', '1'},
			{0x00, 0x22, 0x41, 0xB8, 6, 0x80, 1, 0x06, 0x84, 1, 0x81},
			append([]byte{0x00, 0x2A, 0x80, 0x86, 128}, make([]byte, 128)...),
			{0x10, 0xDB, 0x3F, 0xFF, 4, 0x70, 0x10, 0x84, 0x01}, {0x00, 0xDB, 0x3F, 0xFF, 2, 0xAB, 0xCD},
			{0x00, 0x22, 0x81, 0xA4, 3, 0x83, 1, 0x80}, {0x00, 0x87, 0x00, 0x00, 4, 0x7C, 2, 0x81, 0},
			{0x00, 0x20, 0x00, 0x82},
		} {
			_, _ = tx.Command(card.Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3], Data: b[min(5, len(b)):]})
		}
		return nil
	}))
	text := out.String()
	for _, want := range []string{
		"> 0020008006************  VERIFY 80: PIN", "> 002400800C************************  CHANGE REFERENCE DATA 80",
		"MANAGE SECURITY ENVIRONMENT B8 800106840181", "PERFORM SECURITY OPERATION: decipher",
		"> 10DB3FFF04********", "> 00DB3FFF02****  PUT DATA", "> 0087000004********", "> 00200082  VERIFY 82: log out",
	} {
		assert.Contains(t, text, want)
	}
	for _, secret := range []string{"313233343536", "363534333231", "ABCD", "70108401", strings.Repeat("00", 100)} {
		assert.NotContains(t, text, secret)
	}
}
