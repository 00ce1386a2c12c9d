package piv_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	softpiv "github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/piv"
)

// answerWith returns a PINFunc for the secret and the new one. It allows the last try.
func answerWith(secret, newSecret string) card.PINFunc {
	return func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		switch {
		case r.Refused != nil:
			return card.PIN{}, r.Refused
		case r.New:
			return card.NewPIN([]byte(newSecret)), nil
		}
		return card.NewPIN([]byte(secret)).AllowLastTry(), nil
	}
}

// counters returns the retries left for a secret and the wrong ones that were sent.
func counters(app *softpiv.Application, ref byte) (left, spent int) {
	n := app.Tries(ref)
	return n.Left, n.Spent
}

func TestChangePIN(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for name, soft := range map[string]*cardtest.Card{"standard": cardtest.PIV(), "YubiKey": yubikey("5.7.1"), "old YubiKey": yubikey("4.3.5")} {
		t.Run(name, func(t *testing.T) {
			soft.Put("9A", private, nil)
			p := open(t, soft)
			require.NoError(t, p.Holder().ChangePIN(t.Context(), answerWith(cardtest.PIN, "654321")))
			assert.False(t, soft.Verified(), "logged out")
			require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN("654321")))
			assert.Equal(t, 3, soft.RetriesLeft())
			assert.Zero(t, soft.Spent())

			err := p.Holder().ChangePIN(t.Context(), answerWith(cardtest.PIN, "111111"))
			assert.ErrorIs(t, err, card.ErrWrongPIN)
			assert.ErrorContains(t, err, "piv: change PIN: ")
			assert.Equal(t, 1, soft.Spent())
			assert.Equal(t, 1, soft.Writes()-1, "one command each")
			err = p.Holder().ChangePIN(t.Context(), answerWith(cardtest.PIN, "111111"))
			assert.ErrorIs(t, err, card.ErrRefusedBefore)
			assert.Equal(t, 1, soft.Spent())
		})
	}
}

// The prompt after a wrong PIN has the new retry counter.
func TestChangePINAfterWrongPIN(t *testing.T) {
	soft := cardtest.PIV()
	var retries []int
	err := open(t, soft).Holder().ChangePIN(t.Context(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		if r.New {
			return card.NewPIN([]byte("654321")), nil
		}
		retries = append(retries, r.Retries)
		if len(retries) == 1 {
			return card.NewPIN([]byte("000000")), nil
		}
		return card.NewPIN([]byte(cardtest.PIN)), nil
	})
	require.NoError(t, err)
	assert.Equal(t, []int{3, 2}, retries)
	assert.Equal(t, 1, soft.Spent())
	assert.True(t, pinIs(t, soft, "654321"))
}

func TestChangeGlobalPIN(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV(cardtest.PIVGlobalPIN("654321")).Put("9A", private, nil).
		PutObject(tagDiscovery, join(tlv(0x4F, fullAID...), tlv(0x5F2F, 0x60, 0x20)))
	p := open(t, soft)
	require.NoError(t, p.Holder().ChangePIN(t.Context(), answerWith("654321", "777777")))
	require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN("777777")))
	assert.Zero(t, soft.Spent())
}

func TestChangePUK(t *testing.T) {
	for name, config := range map[string]softpiv.Config{"standard": {}, "YubiKey": firmware5} {
		t.Run(name, func(t *testing.T) {
			app, p := newCard(config)
			require.NoError(t, p.Holder().ChangePUK(t.Context(), answerWith(cardtest.PUK, "87654321")))
			require.NoError(t, p.Holder().Unblock(t.Context(), answerWith("87654321", "222222")))
			err := p.Holder().ChangePUK(t.Context(), answerWith(cardtest.PUK, "11111111"))
			assert.ErrorIs(t, err, card.ErrWrongPIN)
			left, spent := counters(app, 0x81)
			assert.Equal(t, 2, left)
			assert.Equal(t, 1, spent)
			left, spent = counters(app, 0x80)
			assert.Equal(t, 3, left)
			assert.Zero(t, spent)
		})
	}
}

func TestUnblock(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for name, soft := range map[string]*cardtest.Card{
		"blocked":           cardtest.PIV(cardtest.RetriesLeft(0)),
		"not blocked":       cardtest.PIV(),
		"a blocked YubiKey": yubikey("5.7.1", cardtest.RetriesLeft(0)),
	} {
		t.Run(name, func(t *testing.T) {
			soft.Put("9A", private, nil)
			p := open(t, soft)
			require.NoError(t, p.Holder().Unblock(t.Context(), answerWith(cardtest.PUK, "222222")))
			assert.Equal(t, 3, soft.RetriesLeft())
			assert.False(t, soft.Verified())
			require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN("222222")))
		})
	}
}

// The requests of a Holder. Only YubiKeys report the retry counter of the PUK.
func TestHolderRequests(t *testing.T) {
	for _, test := range []struct {
		name    string
		card    *cardtest.Card
		use     func(context.Context, *piv.Holder, card.PINFunc) error
		secret  card.Reference
		set     card.Reference
		retries int
		last    bool
	}{
		{"PIN", cardtest.PIV(), func(ctx context.Context, h *piv.Holder, f card.PINFunc) error { return h.ChangePIN(ctx, f) }, 0x80, 0x80, 3, false},
		{"PUK", cardtest.PIV(), func(ctx context.Context, h *piv.Holder, f card.PINFunc) error { return h.ChangePUK(ctx, f) }, 0x81, 0x81, -1, true},
		{"unblock", cardtest.PIV(), func(ctx context.Context, h *piv.Holder, f card.PINFunc) error { return h.Unblock(ctx, f) }, 0x81, 0x80, -1, true},
		{"PUK of a YubiKey", yubikey("5.7.1"), func(ctx context.Context, h *piv.Holder, f card.PINFunc) error { return h.ChangePUK(ctx, f) }, 0x81, 0x81, 3, false},
		{"unblock a YubiKey", yubikey("5.7.1"), func(ctx context.Context, h *piv.Holder, f card.PINFunc) error { return h.Unblock(ctx, f) }, 0x81, 0x80, 3, false},
		{"unblock an old YubiKey", yubikey("5.2.7"), func(ctx context.Context, h *piv.Holder, f card.PINFunc) error { return h.Unblock(ctx, f) }, 0x81, 0x80, -1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var requests []card.PINRequest
			gaveUp := errors.New("gave up")
			err := test.use(t.Context(), open(t, test.card).Holder(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
				requests = append(requests, r)
				if len(requests) == 2 {
					return card.PIN{}, gaveUp
				}
				return card.NewPIN([]byte("123456")), nil
			})
			assert.ErrorIs(t, err, gaveUp)
			require.Len(t, requests, 2)
			assert.Equal(t, test.secret, requests[0].Reference)
			assert.False(t, requests[0].New)
			assert.Equal(t, test.retries, requests[0].Retries)
			assert.Equal(t, test.last, requests[0].Last)
			assert.Equal(t, test.set, requests[1].Reference)
			assert.True(t, requests[1].New)
			assert.Zero(t, test.card.Writes())
			assert.Zero(t, test.card.Spent())
		})
	}
}

// No PUK is sent without consent to a card that does not report its retry counter.
func TestPUKNeedsConsent(t *testing.T) {
	app, p := newCard(softpiv.Config{})
	err := p.Holder().Unblock(t.Context(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		if r.Refused != nil {
			return card.PIN{}, r.Refused
		}
		return card.NewPIN([]byte(cardtest.PUK)), nil
	})
	assert.ErrorIs(t, err, card.ErrLastTry)
	assert.Zero(t, app.Tries(0x81).Sent)
}

func TestBlockedPUK(t *testing.T) {
	app, p := newCard(firmware5)
	app.SetTriesLeft(0x81, 0)
	err := p.Holder().Unblock(t.Context(), noPIN(t))
	assert.ErrorIs(t, err, card.ErrPINBlocked)
	app, p = newCard(softpiv.Config{})
	app.SetTriesLeft(0x81, 0)
	assert.ErrorIs(t, p.Holder().ChangePUK(t.Context(), answerWith(cardtest.PUK, "87654321")), card.ErrPINBlocked)
}

// A new PIN in the wrong format is asked for again and costs no try.
func TestInvalidNewPIN(t *testing.T) {
	for _, soft := range []*cardtest.Card{cardtest.PIV(), yubikey("5.7.1")} {
		answers := []string{"12345", "123456789", "654321"}
		var refused []error
		err := open(t, soft).Holder().ChangePIN(t.Context(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
			if !r.New {
				return card.NewPIN([]byte(cardtest.PIN)), nil
			}
			refused = append(refused, r.Refused)
			pin := answers[0]
			answers = answers[1:]
			return card.NewPIN([]byte(pin)), nil
		})
		require.NoError(t, err)
		require.Len(t, refused, 3)
		assert.NoError(t, refused[0])
		assert.ErrorIs(t, refused[1], card.ErrNewPIN)
		assert.ErrorIs(t, refused[2], card.ErrNewPIN)
		assert.Zero(t, soft.Spent())
	}
}

// If the response to a change is lost, the state is unknown.
func TestInterruptedChange(t *testing.T) {
	interrupted := 0
	for _, when := range []cardtest.When{cardtest.Instead, cardtest.After} {
		for n := 1; n <= 12; n++ {
			soft := cardtest.PIV()
			readers := cardtest.NewReaders(soft)
			readers.Fault(reader, n, cardtest.Fault{What: cardtest.NoResponse, When: when})
			err := openIn(t, readers).Holder().ChangePIN(t.Context(), answerWith(cardtest.PIN, "654321"))
			changed := pinIs(t, soft, "654321")
			var lost *piv.InterruptedError
			if errors.As(err, &lost) {
				interrupted++
				assert.Equal(t, piv.Unknown, lost.State)
				assert.Equal(t, when == cardtest.After, changed)
				continue
			}
			assert.Equal(t, err == nil, changed, "command %d: %v", n, err)
		}
	}
	assert.Equal(t, 2, interrupted)
}

func pinIs(t *testing.T, soft *cardtest.Card, pin string) bool {
	t.Helper()
	response := transmit(t, soft, append([]byte{0x00, 0x20, 0x00, 0x80, 0x08}, (pin + "\xFF\xFF")[:8]...)...)
	return response[0] == 0x90
}

// A neighbor's PIN is not changed and costs no try.
func TestChangePINBesideNeighbor(t *testing.T) {
	neighbor := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "99999999")
	soft := cardtest.PIV(neighbor)
	readers := cardtest.NewReaders(soft)
	other := readers.Service()
	defer other.Close()
	ask := answerWith(cardtest.PIN, "654321")
	err := openIn(t, readers).Holder().ChangePIN(t.Context(), func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		c, err := other.Card(ctx, reader)
		require.NoError(t, err)
		require.NoError(t, c.Do(ctx, func(tx *card.Tx) error {
			_, err := tx.Select(neighbor.AID())
			return err
		}))
		return ask(ctx, r)
	})
	require.NoError(t, err)
	assert.Equal(t, 3, neighbor.RetriesLeft())
	assert.Zero(t, neighbor.Spent())
	assert.Zero(t, soft.Spent())
}

func TestHolderOfOtherCard(t *testing.T) {
	h := piv.New(card.New("test", chip{iso.New(iso.Config{})})).Holder()
	assert.ErrorIs(t, h.ChangePIN(t.Context(), noPIN(t)), piv.ErrNotPIV)
	assert.ErrorIs(t, h.ChangePUK(t.Context(), noPIN(t)), piv.ErrNotPIV)
	assert.ErrorIs(t, h.Unblock(t.Context(), noPIN(t)), piv.ErrNotPIV)
}
