package cardtest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const transcript = `{"card": "a card", "atr": "3B80018181", "reader": "R", "kind": "recorded", "masked": true}

{"c": "00A4040005A000000308", "a": "61114F06<6>79074F05A000000308", "sw": "9000"}
{"c": "00200080", "a": "", "sw": "63C3"}
{"c": "00200080<PIN>", "a": "", "sw": "9000"}
{"c": "00200080", "a": "", "sw": "9000", "note": "verified"}
{"c": "00CB3FFF055C035FC10508", "a": "5382012A<4: more of it>", "sw": "6122"}
{"c": "00C0000022", "a": "<34>", "sw": "9000"}
{"c": "00CB3FFF0000055C035FC10A0000", "a": "53<600>", "sw": "9000"}
{"c": "00DB3FFF05 5C035FC105 <300>", "a": "", "sw": "none"}
{"n": 9, "a": "", "sw": "6A82"}
{"card": "another"}
`

func TestReplay(t *testing.T) {
	cards, err := cardtest.Replay(strings.NewReader(transcript))
	require.NoError(t, err)
	require.Len(t, cards, 2)
	c := cards[0]
	assert.Equal(t, bytesOf("3B80018181"), c.ATR())
	assert.Equal(t, bytesOf("3B80018181"), cards[1].ATR())
	for _, e := range []struct{ command, response string }{
		{"00A4040005A00000030800", "61114F0600000000000079074F05A000000308 9000"},
		{"00200080", "63C3"},
		{"0020008008 313233343536FFFF", "9000"},
		{"00200080", "9000"},
		{"00200080", "63C3"}, // the first again
		{"00CB3FFF055C035FC10500", "5382012A00000000 6122"},
		{"00C0000022", strings.Repeat("00", 34) + "9000"},
		{"00CB3FFF055C035FC10A00", "53" + strings.Repeat("00", 255) + "61FF"},
		{"00C00000FF", strings.Repeat("00", 256) + "6159"},
		{"00C0000059", strings.Repeat("00", 89) + "9000"},
		{"00CB3FFF0000055C035FC10A0000", "53" + strings.Repeat("00", 600) + "9000"},
		{"00DB3FFF06 5C035FC10553", ""},
		{"00DB3FFF05 5C035FC105", "6985"},
		{"00A4040005A000000397", "6A82"},
		{"00CB3FFF035C017E00", "6A82"},
		{"00FD000000", "6D00"},
		{"00FD0000 05 01", "6700"},
	} {
		response, err := c.Transmit(bytesOf(e.command))
		require.NoError(t, err)
		assert.Equal(t, strings.ReplaceAll(e.response, " ", ""), fmt.Sprintf("%X", response), e.command)
	}
	assert.Equal(t, 1, c.PINs())
	assert.Equal(t, 2, c.Writes())
	assert.Equal(t, 17, c.Exchanges().Commands)
	c.Reset()
	assert.Equal(t, 1, c.Exchanges().Resets)
	assert.Panics(t, func() { c.Put("9A", nil, nil) })
}

func TestReplayInAReader(t *testing.T) {
	cards, err := cardtest.Replay(strings.NewReader(transcript))
	require.NoError(t, err)
	s := cardtest.NewService(cards[0])
	defer s.Close()
	c, err := s.Card(t.Context(), "Software Reader 00")
	require.NoError(t, err)
	assert.Equal(t, "3B80018181", c.ATR().String())
}

func TestErrorsOfReplay(t *testing.T) {
	const atr = `{"atr": "3B00"}` + "\n"
	for want, text := range map[string]string{
		"no card in it":      "\n",
		"line 1: invalid":    "x",
		"want a card":        `{"c": "00A40400", "sw": "9000"}`,
		"line 2: want a":     atr + `{"note": "nothing"}`,
		"atr: ":              `{"atr": "3"}`,
		"c: encoding":        atr + `{"c": "0x", "sw": "9000"}`,
		"c: shorter than":    atr + `{"c": "00A4", "sw": "9000"}`,
		"c: lengths are":     atr + `{"c": "00A4040005A0", "sw": "9000"}`,
		"a: encoding":        atr + `{"c": "00A40400", "a": "0", "sw": "9000"}`,
		"a: no > after <":    atr + `{"c": "00A40400", "a": "<5", "sw": "9000"}`,
		"a: number of bytes": atr + `{"c": "00A40400", "a": "<PIN>", "sw": "9000"}`,
		"a: too long":        atr + `{"c": "00A40400", "a": "<65000><600>", "sw": "9000"}`,
		"sw: want two bytes": atr + `{"c": "00A40400", "sw": "90"}`,
		"line 1034: too":     atr + strings.Repeat(`{"c": "00A40400", "a": "<65000>", "sw": "9000"}`+"\n", 1040),
		"line 20002: too":    atr + strings.Repeat(`{"c": "00A40400", "sw": "9000"}`+"\n", 20001),
		"token too long":     atr + `{"c": "` + strings.Repeat("00", 400000) + `", "sw": "9000"}`,
	} {
		_, err := cardtest.Replay(strings.NewReader(text))
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "cardtest: transcript: ")
	}
}

// FuzzReplay replays any text, and sends any command.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(transcript), []byte("\x00\x20\x00\x80"))
	f.Add([]byte(`{"atr": ""}`), []byte{})
	f.Fuzz(func(t *testing.T, text, command []byte) {
		cards, err := cardtest.Replay(bytes.NewReader(text))
		if err != nil {
			require.Empty(t, cards)
			return
		}
		for _, c := range cards {
			response, err := c.Transmit(command)
			require.NoError(t, err)
			require.LessOrEqual(t, len(response), 1<<16+2, fmt.Sprint(len(text)))
		}
	})
}
