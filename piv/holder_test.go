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

// knows answers with the secret that is known and the one to set; a try that may
// be the last is taken.
func knows(secret, fresh string) card.PINFunc {
	return func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		switch {
		case r.Refused != nil:
			return card.PIN{}, r.Refused
		case r.New:
			return card.NewPIN([]byte(fresh)), nil
		}
		return card.NewPIN([]byte(secret)).AllowLastTry(), nil
	}
}

// tries are how many tries a card has left for a secret, and how many wrong
// ones it was given.
func tries(app *softpiv.Application, ref byte) (left, spent int) {
	n := app.Tries(ref)
	return n.Left, n.Spent
}

func TestChangePIN(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for name, soft := range map[string]*cardtest.Card{"standard": cardtest.PIV(), "YubiKey": yubikey("5.7.1"), "old YubiKey": yubikey("4.3.5")} {
		t.Run(name, func(t *testing.T) {
			soft.Put("9A", private, nil)
			p := open(t, soft)
			require.NoError(t, p.Holder().ChangePIN(t.Context(), knows(cardtest.PIN, "654321")))
			assert.False(t, soft.Verified(), "logged out")
			require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN("654321")))
			assert.Equal(t, 3, soft.RetriesLeft())
			assert.Zero(t, soft.Spent())

			err := p.Holder().ChangePIN(t.Context(), knows(cardtest.PIN, "111111"))
			assert.ErrorIs(t, err, card.ErrWrongPIN)
			assert.ErrorContains(t, err, "piv: change PIN: ")
			assert.Equal(t, 1, soft.Spent())
			assert.Equal(t, 1, soft.Writes()-1, "one command each")
			err = p.Holder().ChangePIN(t.Context(), knows(cardtest.PIN, "111111"))
			assert.ErrorIs(t, err, card.ErrRefusedBefore)
			assert.Equal(t, 1, soft.Spent())
		})
	}
}

// A wrong answer costs a try, and the next question says so.
func TestChangePINAfterAWrongAnswer(t *testing.T) {
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

func TestChangePINWhereTheGlobalOneIsAskedFor(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV(cardtest.PIVGlobalPIN("654321")).Put("9A", private, nil).
		PutObject(tagDiscovery, join(tlv(0x4F, fullAID...), tlv(0x5F2F, 0x60, 0x20)))
	p := open(t, soft)
	require.NoError(t, p.Holder().ChangePIN(t.Context(), knows("654321", "777777")))
	require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN("777777")))
	assert.Zero(t, soft.Spent())
}

func TestChangePUK(t *testing.T) {
	for name, config := range map[string]softpiv.Config{"standard": {}, "YubiKey": firmware5} {
		t.Run(name, func(t *testing.T) {
			app, p := quick(config)
			require.NoError(t, p.Holder().ChangePUK(t.Context(), knows(cardtest.PUK, "87654321")))
			require.NoError(t, p.Holder().Unblock(t.Context(), knows("87654321", "222222")))
			err := p.Holder().ChangePUK(t.Context(), knows(cardtest.PUK, "11111111"))
			assert.ErrorIs(t, err, card.ErrWrongPIN)
			left, spent := tries(app, 0x81)
			assert.Equal(t, 2, left)
			assert.Equal(t, 1, spent)
			left, spent = tries(app, 0x80)
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
			require.NoError(t, p.Holder().Unblock(t.Context(), knows(cardtest.PUK, "222222")))
			assert.Equal(t, 3, soft.RetriesLeft())
			assert.False(t, soft.Verified())
			require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN("222222")))
		})
	}
}

// What is asked, and what is known of the tries of a PUK: all that a YubiKey
// tells, nothing on other cards.
func TestQuestionsOfTheHolder(t *testing.T) {
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
			var asked []card.PINRequest
			gaveUp := errors.New("gave up")
			err := test.use(t.Context(), open(t, test.card).Holder(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
				asked = append(asked, r)
				if len(asked) == 2 {
					return card.PIN{}, gaveUp
				}
				return card.NewPIN([]byte("123456")), nil
			})
			assert.ErrorIs(t, err, gaveUp)
			require.Len(t, asked, 2)
			assert.Equal(t, test.secret, asked[0].Reference)
			assert.False(t, asked[0].New)
			assert.Equal(t, test.retries, asked[0].Retries)
			assert.Equal(t, test.last, asked[0].Last)
			assert.Equal(t, test.set, asked[1].Reference)
			assert.True(t, asked[1].New)
			assert.Zero(t, test.card.Writes())
			assert.Zero(t, test.card.Spent())
		})
	}
}

// Without consent no PUK is sent to a card that does not tell its tries.
func TestPUKNeedsConsent(t *testing.T) {
	app, p := quick(softpiv.Config{})
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
	app, p := quick(firmware5)
	app.SetTriesLeft(0x81, 0)
	err := p.Holder().Unblock(t.Context(), noPIN(t))
	assert.ErrorIs(t, err, card.ErrPINBlocked)
	app, p = quick(softpiv.Config{})
	app.SetTriesLeft(0x81, 0)
	assert.ErrorIs(t, p.Holder().ChangePUK(t.Context(), knows(cardtest.PUK, "87654321")), card.ErrPINBlocked)
}

// A new PIN that the card cannot take is asked for again, and costs nothing.
func TestNewPINThatIsNone(t *testing.T) {
	for _, soft := range []*cardtest.Card{cardtest.PIV(), yubikey("5.7.1")} {
		fresh := []string{"12345", "123456789", "654321"}
		var why []error
		err := open(t, soft).Holder().ChangePIN(t.Context(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
			if !r.New {
				return card.NewPIN([]byte(cardtest.PIN)), nil
			}
			why = append(why, r.Refused)
			pin := fresh[0]
			fresh = fresh[1:]
			return card.NewPIN([]byte(pin)), nil
		})
		require.NoError(t, err)
		require.Len(t, why, 3)
		assert.NoError(t, why[0])
		assert.ErrorIs(t, why[1], card.ErrNewPIN)
		assert.ErrorIs(t, why[2], card.ErrNewPIN)
		assert.Zero(t, soft.Spent())
	}
}

// A change whose answer got lost says that nobody knows.
func TestChangeIsInterrupted(t *testing.T) {
	interrupted := 0
	for _, when := range []cardtest.When{cardtest.Instead, cardtest.After} {
		for n := 1; n <= 12; n++ {
			soft := cardtest.PIV()
			readers := cardtest.NewReaders(soft)
			readers.Fault(reader, n, cardtest.Fault{What: cardtest.NoResponse, When: when})
			err := openIn(t, readers).Holder().ChangePIN(t.Context(), knows(cardtest.PIN, "654321"))
			changed := pinIs(t, soft, "654321")
			var broken *piv.InterruptedError
			if errors.As(err, &broken) {
				interrupted++
				assert.Equal(t, piv.Unknown, broken.State)
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
	answer := told(t, soft, append([]byte{0x00, 0x20, 0x00, 0x80, 0x08}, (pin + "\xFF\xFF")[:8]...)...)
	return answer[0] == 0x90
}

// The neighbour's PIN is not changed, nor its tries spent.
func TestNeighbourKeepsItsPIN(t *testing.T) {
	neighbour := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "99999999")
	soft := cardtest.PIV(neighbour)
	readers := cardtest.NewReaders(soft)
	other := readers.Service()
	defer other.Close()
	ask := knows(cardtest.PIN, "654321")
	err := openIn(t, readers).Holder().ChangePIN(t.Context(), func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		c, err := other.Card(ctx, reader)
		require.NoError(t, err)
		require.NoError(t, c.Do(ctx, func(tx *card.Tx) error {
			_, err := tx.Select(neighbour.AID())
			return err
		}))
		return ask(ctx, r)
	})
	require.NoError(t, err)
	assert.Equal(t, 3, neighbour.RetriesLeft())
	assert.Zero(t, neighbour.Spent())
	assert.Zero(t, soft.Spent())
}

func TestHolderOfWhatIsNoPIVCard(t *testing.T) {
	h := piv.New(card.New("test", chip{iso.New(iso.Config{})})).Holder()
	assert.ErrorIs(t, h.ChangePIN(t.Context(), noPIN(t)), piv.ErrNotPIV)
	assert.ErrorIs(t, h.ChangePUK(t.Context(), noPIN(t)), piv.ErrNotPIV)
	assert.ErrorIs(t, h.Unblock(t.Context(), noPIN(t)), piv.ErrNotPIV)
}
