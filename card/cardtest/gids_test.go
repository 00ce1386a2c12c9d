package cardtest_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
)

var (
	selectGIDS = []byte("\x00\xA4\x04\x00\x09\xA0\x00\x00\x03\x97BTFY\x00")
	plainPIN   = []byte("\x00\x20\x00\x80\x06123456")
	wrongGIDS  = []byte("\x00\x20\x00\x80\x06000000")
	tries      = []byte("\x00\xCB\x3F\xFF\x04\x5C\x02\x7F\x71\x00")
)

// Each quirk changes the answer to some command.
func TestQuirksOfGIDS(t *testing.T) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	choose := func(way byte) []byte { return []byte{0x00, 0x22, 0x41, 0xB6, 6, 0x80, 1, way, 0x84, 1, 0x8B} }
	read := func(object byte) []byte { return []byte{0x00, 0xCB, 0xA0, 0x10, 4, 0x5C, 2, 0xDF, object, 0} }
	keyMap := []byte{0x00, 0xCB, 0xA0, 0x00, 4, 0x5C, 2, 0xDF, 0x20, 0}
	tests := map[cardtest.Quirk]struct {
		commands      [][]byte // all but the last lead up to it
		with, without string   // how the last answer ends, or what it contains
	}{
		cardtest.ShortLengths:          {[][]byte{selectGIDS, {0x00, 0xCB, 0xA0, 0x10, 0, 0, 4, 0x5C, 2, 0xDF, 0x22, 0, 0}}, "\x67\x00", "\x90\x00"},
		cardtest.GIDSSelectKeeps:       {[][]byte{selectGIDS, plainPIN, selectGIDS, choose(0x57)}, "\x90\x00", "\x69\x82"},
		cardtest.PlainRetries:          {[][]byte{selectGIDS, wrongGIDS}, "\x63\x02", "\x63\xC2"},
		cardtest.EmptyVerifyRefused:    {[][]byte{selectGIDS, askTries}, "\x67\x00", "\x63\xC3"},
		cardtest.NoLogout:              {[][]byte{selectGIDS, {0x00, 0x20, 0x00, 0x82}}, "\x6A\x88", "\x90\x00"},
		cardtest.ReadOnly:              {[][]byte{selectGIDS, plainPIN, {0x00, 0xDB, 0xA0, 0x10, 3, 0xDF, 0x50, 0}}, "\x69\x85", "\x90\x00"},
		cardtest.GIDSDecimalNames:      {[][]byte{selectGIDS, {0x00, 0xCB, 0xA0, 0x00, 4, 0x5C, 2, 0xDF, 0x1F, 0}}, "kxc10", "kxc0A"},
		cardtest.GIDSPlainCertificates: {[][]byte{selectGIDS, read(0x24)}, "\x30\x82", "\x01\x00"},
		cardtest.GIDSOldRetries:        {[][]byte{selectGIDS, tries}, "\x9F\x17\x01\x03", "\x97\x01\x03"},
		cardtest.GIDSNoRetries:         {[][]byte{selectGIDS, tries}, "\x6A\x88", "\x90\x00"},
		cardtest.GIDSNoKeyMap:          {[][]byte{selectGIDS, keyMap}, "\x6A\x88", "\x90\x00"},
		cardtest.GIDSHostPads:          {[][]byte{selectGIDS, plainPIN, choose(0x57)}, "\x69\x84", "\x90\x00"},
		cardtest.GIDSCardPads:          {[][]byte{selectGIDS, plainPIN, choose(0x17)}, "\x69\x84", "\x90\x00"},
		cardtest.GIDSNoProperties:      {[][]byte{selectGIDS}, "\x90\x00", "\x01\xC0\x90\x00"},
		cardtest.GIDSWithPUK:           {[][]byte{selectGIDS, {0x00, 0xCB, 0x3F, 0xFF, 4, 0x5C, 2, 0x7F, 0x73, 0}}, "\x90\x00", "\x6A\x88"},
	}
	for quirk, tt := range tests {
		for _, quirky := range []bool{true, false} {
			c, want := cardtest.GIDS(), tt.without
			if quirky {
				c, want = cardtest.GIDS(quirk), tt.with
			}
			c.Put("kxc0A", key, der)
			var answer []byte
			for _, command := range tt.commands {
				answer, _ = c.Transmit(command)
			}
			assert.True(t, bytes.Contains(answer, []byte(want)), "quirk %v, %v: %X", quirk, quirky, answer)
		}
	}
	blank, _ := cardtest.GIDS(cardtest.GIDSBlank).Transmit(selectGIDS)
	assert.Equal(t, "\x90\x00", string(blank[len(blank)-2:]))
	assert.Nil(t, cardtest.GIDS(cardtest.GIDSBlank).File("cardid"))
}

func TestVirtualSmartCardTakesPartsOf240Bytes(t *testing.T) {
	c := cardtest.TPM()
	for n, want := range map[int]string{240: "\x90\x00", 242: "\x67\x00"} {
		c.Reset()
		_, err := c.Transmit(selectGIDS)
		require.NoError(t, err)
		answer, err := c.Transmit(append([]byte{0x10, 0xDB, 0xA0, 0x10, byte(n)}, make([]byte, n)...))
		require.NoError(t, err)
		assert.Equal(t, want, string(answer))
	}
}

// After an hour a locked out card gives a try back; after a nanosecond it is so soon
// that nobody sees it locked out.
func TestLockout(t *testing.T) {
	for every, want := range map[time.Duration]string{time.Hour: "\x69\x83", time.Nanosecond: "\x90\x00"} {
		c := cardtest.TPM(cardtest.GIDSLockout(every), cardtest.MaxRetries(1))
		var answer []byte
		for _, command := range [][]byte{selectGIDS, wrongGIDS, plainPIN} {
			answer, _ = c.Transmit(command)
		}
		assert.Equal(t, want, string(answer), every)
	}
}

func TestCardsOfAnotherKind(t *testing.T) {
	assert.PanicsWithValue(t, "cardtest: PutObject is for PIV cards, not for GIDS cards", func() { cardtest.GIDS().PutObject(0x5FC102, nil) })
	assert.PanicsWithValue(t, "cardtest: PutFile is for GIDS cards, not for PIV cards", func() { cardtest.PIV().PutFile("cardid", nil) })
	assert.Panics(t, func() { cardtest.GIDS().Put("9A", nil, nil) })
	assert.Panics(t, func() { cardtest.GIDS().SetDefault("kxc05") })
}

func TestWhatNoGIDSCardHolds(t *testing.T) {
	assert.PanicsWithValue(t, `cardtest: file "mscp/kxc00": the card is not set up`, func() { cardtest.GIDS(cardtest.GIDSBlank).PutFile("mscp/kxc00", nil) })
	assert.PanicsWithValue(t, `cardtest: container "kxc00": the card is not set up`, func() { cardtest.GIDS(cardtest.GIDSBlank).Put("kxc00", nil, []byte{1}) })
	for _, name := range []string{"mscp/kxc000000", "directory/kxc00", "certificate"} {
		assert.Panics(t, func() { cardtest.GIDS().PutFile(name, nil) }, name)
	}
	full := cardtest.GIDS()
	for i := range 92 { // DF24 to DF7F
		full.Put(fmt.Sprintf("kxc%02X", i), nil, []byte{1})
	}
	assert.PanicsWithValue(t, `cardtest: container "kxc5C": there is no room for another file`, func() { full.Put("kxc5C", nil, []byte{1}) })
}

func TestCombinedCardsTellAboutTheirOwn(t *testing.T) {
	second := cardtest.GIDS()
	both := cardtest.Combine(cardtest.PIV(cardtest.PIVNoDiscovery), second)
	for _, command := range [][]byte{selectPIV, wrongPIN, selectGIDS, wrongGIDS, wrongGIDS, {0x00, 0xDB, 0xA0, 0x10, 3, 0xDF, 0x50, 0}} {
		_, err := both.Transmit(command)
		require.NoError(t, err)
	}
	assert.Equal(t, []int{2, 1, 0}, []int{both.RetriesLeft(), both.Spent(), both.Writes()})
	assert.Equal(t, []int{1, 2, 1}, []int{second.RetriesLeft(), second.Spent(), second.Writes()})
	assert.Equal(t, 6, both.Exchanges().Commands)
}

// Traces of GIDS cards show no PIN, no key and nothing that was decrypted.
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
