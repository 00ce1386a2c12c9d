package card_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATR(t *testing.T) {
	for _, test := range []struct{ name, atr, historical string }{
		{"empty", "", ""},
		{"no historical bytes", "3B00", ""},
		{"only historical bytes", "3B02ABCD", "abcd"},
		{"after one group", "3B1211ABCD", "abcd"},
		{"between two groups and a check byte", "3B82800112AB13", "12ab"},
		{"a YubiKey", "3BFD1300008131FE158073C021C057597562694B657940", "8073c021c057597562694b6579"},
		{"fewer than announced", "3B05ABCD", ""},
		{"endless groups", "3BF0FFFFFFFF", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := hex.DecodeString(test.atr)
			require.NoError(t, err)
			assert.Equal(t, test.historical, hex.EncodeToString(card.ATR(b).Historical()))
			assert.Equal(t, test.atr, card.ATR(b).String())
		})
	}
}

// A card whose ATR announces short lengths only is never sent extended ones.
func TestExtendedLengthInATR(t *testing.T) {
	for atr, extended := range map[string]bool{
		"3B8A80010080317300C0407300": true,
		"3B078073C021C0":             true, // wrong number of bytes: not known
		"3B05807300000000":           false,
		"3B0580730000C000":           true,
		"3B04807FC0C0":               true,  // truncated: not known
		"3B078051317300000000":       false, // after another element
		"3B03805131":                 true,  // another element only
		"3B048073C0":                 true,  // fewer historical bytes than announced
	} {
		b, err := hex.DecodeString(atr)
		require.NoError(t, err)
		s := card.NewService(fakeService{atr: b}, nil)
		k, err := s.Card(t.Context(), zero)
		require.NoError(t, err)
		var sent []byte
		require.NoError(t, k.Do(withCommands(t.Context(), &sent), func(tx *card.Tx) error {
			_, err := tx.Command(card.Command{INS: 0xCB, Ne: card.MaxResponse})
			return err
		}), atr)
		require.NoError(t, s.Close())
		assert.Equal(t, extended, bytes.Equal(sent, []byte{0, 0xCB, 0, 0, 0, 0, 0}), "%s: % X", atr, sent)
	}
}

// FuzzATR checks that the historical bytes are a part of the ATR, of the announced
// length.
func FuzzATR(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		h := card.ATR(b).Historical()
		if h == nil {
			return
		}
		if len(h) != int(b[1]&0x0F) || !bytes.Contains(b[2:], h) {
			t.Fatalf("historical bytes % X of % X", h, b)
		}
	})
}
