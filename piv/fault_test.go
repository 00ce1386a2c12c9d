package piv_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

var mishaps = map[string]cardtest.Mishap{
	"removal": cardtest.Removal, "reset": cardtest.OtherReset, "service stop": cardtest.ServiceStop,
	"status": cardtest.WrongStatus, "empty": cardtest.Empty, "truncated": cardtest.Truncated, "garbage": cardtest.Garbage,
	"more": cardtest.MoreData, "wrong Le": cardtest.WrongLe, "no response": cardtest.NoResponse, "busy": cardtest.Busy,
}

// For each mishap at each command: a signature that is returned is valid, the right
// PIN costs no try and a wrong one costs one at most.
func TestFaults(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	public := private.Public().(*ecdsa.PublicKey)
	signed, failed := 0, 0
	for name, what := range mishaps {
		for _, when := range []cardtest.When{cardtest.Instead, cardtest.Before, cardtest.After} {
			for _, s := range []piv.Slot{piv.Authentication, piv.Signature} {
				for n := 1; n <= 12; n++ {
					for _, pin := range []string{cardtest.PIN, "86420975"} {
						soft := cardtest.PIV().Put(container(s), private, nil)
						readers := cardtest.NewReaders(soft)
						readers.Fault(reader, n, cardtest.Fault{What: what, When: when})
						signature, err := signOnce(t, readers, s, public, pin)
						if err == nil {
							signed++
							assert.True(t, ecdsa.VerifyASN1(public, digest(crypto.SHA256), signature), "%s at command %d", name, n)
							assert.Equal(t, cardtest.PIN, pin)
						} else {
							failed++
							assert.NotEmpty(t, err.Error())
						}
						if pin == cardtest.PIN {
							assert.Zero(t, soft.Spent(), "%s at command %d", name, n)
						} else {
							most := 1
							if when == cardtest.After && what == cardtest.Garbage {
								most = 2 // the response said that the PIN is right
							}
							assert.LessOrEqual(t, soft.Spent(), most, "%s at command %d", name, n)
						}
						assert.False(t, soft.Verified(), "%s at command %d", name, n)
						assert.Zero(t, soft.Writes())
						require.NoError(t, readers.Close())
					}
				}
			}
		}
	}
	assert.Greater(t, signed, 50)
	assert.Greater(t, failed, 200)
}

func signOnce(t *testing.T, readers *cardtest.Readers, s piv.Slot, public crypto.PublicKey, pin string) ([]byte, error) {
	service := card.NewService(readers.Driver(), &card.Options{BusyTimeout: 5 * time.Millisecond})
	defer service.Close()
	c, err := service.Card(t.Context(), reader)
	require.NoError(t, err)
	key, err := piv.New(c).Key(t.Context(), s, public, card.FixedPIN(pin))
	if err != nil {
		return nil, err
	}
	defer key.Close()
	return key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
}

// A key ends with the removal of its card.
func TestKeyOfReinsertedCard(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV().Put("9A", private, nil)
	readers := cardtest.NewReaders(soft)
	key, err := openIn(t, readers).Key(t.Context(), piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	readers.Remove(reader)
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.True(t, errors.Is(err, card.ErrRemoved) || errors.Is(err, card.ErrNoCard), "%v", err)
	readers.Insert(reader, soft)
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, card.ErrRemoved, "the card is over")
	assert.Zero(t, soft.Spent())
}

// After a reset by another program the PIN is asked for again.
func TestKeyAfterReset(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV().Put("9A", private, nil)
	readers := cardtest.NewReaders(soft)
	n := 0
	key, err := openIn(t, readers).Key(t.Context(), piv.Authentication, private.Public(), countPrompts(&n))
	require.NoError(t, err)
	defer key.Close()
	for range 2 {
		readers.Reset(reader)
		_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		require.NoError(t, err)
	}
	assert.Equal(t, 3, n)
	assert.Zero(t, soft.Spent())
}

// The context of Key bounds that call alone; WithContext bounds a use.
func TestContextOfAKey(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	ctx, cancel := context.WithCancel(t.Context())
	key, err := open(t, cardtest.PIV().Put("9A", private, nil)).Key(ctx, piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	cancel()
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	bounded := key.WithContext(ctx)
	_, err = bounded.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, context.Canceled)
	require.NoError(t, bounded.Close())
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorContains(t, err, "key is closed")
}
