package piv_test

import (
	"context"
	"crypto"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

// signSlowly signs with a key whose card delays the response, and returns how often
// Trace.Touch was called.
func signSlowly(t *testing.T, soft *cardtest.Card, s piv.Slot, public crypto.PublicKey, f cardtest.Fault) (touches, prompts int, err error) {
	t.Helper()
	readers := cardtest.NewReaders(soft)
	service := readers.Service()
	c, err := service.Card(t.Context(), reader)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ctx = card.WithTrace(ctx, &card.Trace{Touch: func(string) { touches++ }})
	key, err := piv.New(c).Key(ctx, s, public, countPrompts(&prompts))
	require.NoError(t, err)
	readers.Fault(reader, 2, f) // the first command checks the application
	_, err = key.WithContext(ctx).Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	synctest.Wait()
	require.NoError(t, key.Close())
	require.NoError(t, service.Close())
	require.NoError(t, readers.Close())
	return touches, prompts, err
}

// Trace.Touch is called if a key may wait for a touch: by its policy, or on a YubiKey
// that does not report one.
func TestTouchTrace(t *testing.T) {
	for name, test := range map[string]struct {
		version string
		touch   piv.TouchPolicy
		delay   time.Duration
		want    int
	}{
		"policy always, slow":              {"5.7.1", piv.TouchAlways, 3 * time.Second, 1},
		"policy cached, slow":              {"5.7.1", piv.TouchCached, 3 * time.Second, 1},
		"policy always, fast":              {"5.7.1", piv.TouchAlways, 0, 0},
		"policy never, slow":               {"5.7.1", piv.TouchNever, 3 * time.Second, 0},
		"policy default, slow":             {"5.7.1", piv.TouchDefault, 3 * time.Second, 0},
		"policy not reported, slow":        {"5.2.7", piv.TouchNever, 3 * time.Second, 1},
		"policy not reported, fast":        {"5.2.7", piv.TouchNever, 0, 0},
		"policy never, firmware 5.3, slow": {"5.3.0", piv.TouchNever, 3 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			soft, public := withPolicy(t, test.version, piv.Authentication, &piv.KeyOptions{Touch: test.touch})
			synctest.Test(t, func(t *testing.T) {
				touches, _, err := signSlowly(t, soft, piv.Authentication, public, cardtest.Fault{Delay: test.delay})
				require.NoError(t, err)
				assert.Equal(t, test.want, touches)
			})
		})
	}
	private := cardtest.Key(cardtest.P256, 0)
	t.Run("another card, slow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			soft := cardtest.PIV().Put("9A", private, nil)
			touches, _, err := signSlowly(t, soft, piv.Authentication, private.Public(), cardtest.Fault{Delay: 3 * time.Second})
			require.NoError(t, err)
			assert.Zero(t, touches)
		})
	})
}

// The hint for a touch that did not come, however the reader reports it. The PIN is
// not asked for again.
func TestMissingTouch(t *testing.T) {
	for name, test := range map[string]struct {
		touch piv.TouchPolicy
		fault cardtest.Fault
		names bool // the touch, in the text
		hints bool
	}{
		"no response":               {piv.TouchAlways, cardtest.Fault{Delay: 15 * time.Second, What: cardtest.NoResponse}, true, true},
		"6982":                      {piv.TouchAlways, cardtest.Fault{Delay: 15 * time.Second, What: cardtest.WrongStatus, Status: 0x6982}, true, true},
		"6985":                      {piv.TouchCached, cardtest.Fault{Delay: 15 * time.Second, What: cardtest.WrongStatus, Status: 0x6985}, true, true},
		"context ends":              {piv.TouchAlways, cardtest.Fault{Delay: 30 * time.Second}, true, true},
		"no response at once":       {piv.TouchAlways, cardtest.Fault{What: cardtest.NoResponse}, false, false},
		"removed":                   {piv.TouchAlways, cardtest.Fault{Delay: 15 * time.Second, What: cardtest.Removal}, false, false},
		"policy never, no response": {piv.TouchNever, cardtest.Fault{Delay: 15 * time.Second, What: cardtest.NoResponse}, false, true},
		"policy never, other":       {piv.TouchNever, cardtest.Fault{Delay: 15 * time.Second, What: cardtest.WrongStatus, Status: 0x6581}, false, false},
		"policy never, context":     {piv.TouchNever, cardtest.Fault{Delay: 30 * time.Second}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			soft, public := withPolicy(t, "5.7.1", piv.Authentication, &piv.KeyOptions{Touch: test.touch})
			synctest.Test(t, func(t *testing.T) {
				_, prompts, err := signSlowly(t, soft, piv.Authentication, public, test.fault)
				require.Error(t, err)
				assert.Equal(t, test.hints, card.Hint(err) == "Touch the card while it blinks; if it does not blink, insert it again.", card.Hint(err))
				if test.names {
					assert.ErrorContains(t, err, "waiting for a touch: ")
				} else {
					assert.NotContains(t, err.Error(), "touch")
				}
				assert.Equal(t, 1, prompts)
			})
		})
	}
}
