package piv_test

import (
	"crypto"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A YubiKey that waits for a touch holds back its answer; people are told.
func TestTouchIsTold(t *testing.T) {
	for name, test := range map[string]struct {
		atr   []byte
		delay time.Duration
		told  int
	}{
		"a YubiKey that waits":         {yubicoATR, 3 * time.Second, 1},
		"a YubiKey that does not wait": {yubicoATR, 0, 0},
		"another card, which is slow":  {[]byte{0x3B, 0x00}, 3 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signer := cardtest.Key(cardtest.P256, 0)
				readers := cardtest.NewReaders(cardtest.YubiKey("5.7.1", cardtest.ATR(test.atr)).Put("9E", signer, nil))
				s := readers.Service()
				c, err := s.Card(t.Context(), "Software Reader 00")
				require.NoError(t, err)
				told := 0
				ctx := card.WithTrace(t.Context(), &card.Trace{Touch: func(reader string) {
					assert.Equal(t, "Software Reader 00", reader)
					told++
				}})
				key, err := piv.New(c).Key(ctx, piv.CardAuthentication, signer.Public(), nil)
				require.NoError(t, err)
				if test.delay > 0 {
					readers.Fault("Software Reader 00", 2, cardtest.Fault{Delay: test.delay})
				}
				_, err = key.Sign(nil, make([]byte, 32), crypto.SHA256)
				require.NoError(t, err)
				synctest.Wait()
				assert.Equal(t, test.told, told)
				require.NoError(t, key.Close())
				require.NoError(t, s.Close())
				require.NoError(t, readers.Close())
			})
		})
	}
}

// yubicoATR is the answer to reset of YubiKeys.
var yubicoATR = []byte{0x3B, 0xFD, 0x13, 0x00, 0x00, 0x81, 0x31, 0xFE, 0x15, 0x80, 0x73, 0xC0, 0x21, 0xC0, 0x57, 0x59, 0x75, 0x62, 0x69, 0x4B, 0x65, 0x79, 0x40}
