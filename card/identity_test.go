package card_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIdentity(t *testing.T) {
	a := card.NewIdentity("serial", []byte{1, 2}, "0102")
	assert.True(t, a == card.NewIdentity("serial", []byte{1, 2}, "0102"))
	assert.False(t, a == card.NewIdentity("serial", []byte{1, 3}, "0102"))
	assert.False(t, a == card.NewIdentity("seria", []byte{'l', 1, 2}, "0102"), "the kind is not part of the identifier")
	assert.Equal(t, "0102", a.String())
	assert.False(t, a.IsZero())
	unknown := card.NewIdentity("serial", nil, "x")
	assert.True(t, unknown.IsZero() && unknown == card.Identity{})
	assert.Equal(t, "unknown card", unknown.String())
}

// A token returns a USB token: a card whose identity is read from it.
func token(label string) *cardtest.Card {
	return cardtest.PIV().PutObject(0x5FC102, []byte("CHUID of "+label))
}

func readIdentity(tx *card.Tx) (card.Identity, error) {
	b, err := tx.Command(getCHUID)
	if err != nil {
		return card.Identity{}, err
	}
	return card.NewIdentity("CHUID", b, string(b[bytes.IndexByte(b, 'C'):])), nil
}

func noIdentity(*card.Tx) (card.Identity, error) { return card.Identity{}, nil }

// tokenPIN returns the Verification of the PIN of a token.
func tokenPIN(ask card.PINFunc) card.Verification {
	v := pinVerification(card.Identity{}, ask)
	v.Identity = readIdentity
	return v
}

func TestIdentifyReadsOncePerEpoch(t *testing.T) {
	d := newFixture(t, token("a"), nil)
	reads := 0
	identify := func(tx *card.Tx) error {
		if _, err := tx.Select(pivAID); err != nil {
			return err
		}
		id, err := tx.Identify("PIV", func(tx *card.Tx) (card.Identity, error) {
			reads++
			return readIdentity(tx)
		})
		assert.Equal(t, "CHUID of a", id.String())
		return err
	}
	for range 2 {
		require.NoError(t, d.card.Do(t.Context(), identify))
	}
	assert.Equal(t, 2, reads, "after each connect")
	release, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	for range 2 {
		require.NoError(t, d.card.Do(t.Context(), identify))
	}
	assert.Equal(t, 3, reads, "once while held")
	d.readers.Reset(zero)
	for range 2 {
		require.NoError(t, d.card.Do(t.Context(), identify))
	}
	assert.Equal(t, 4, reads, "after a reset")
}

func TestIdentifyAnotherCard(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	id := aCard
	identify := func(tx *card.Tx) error {
		_, err := tx.Identify("test", func(*card.Tx) (card.Identity, error) { return id, nil })
		return err
	}
	require.NoError(t, d.card.Do(t.Context(), identify))
	id = bCard
	require.NoError(t, d.card.Do(t.Context(), func(tx *card.Tx) error {
		tx.ForgetIdentity("test")
		return identify(tx)
	}))
	id = aCard
	err := d.card.Do(t.Context(), identify)
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.ErrorContains(t, err, "it is a card, not b card")
	assert.ErrorIs(t, d.card.Do(t.Context(), nothing), card.ErrChanged, "for good")
	again, err := d.service.Card(t.Context(), zero)
	require.NoError(t, err)
	assert.NoError(t, again.Do(t.Context(), identify))
}

// pinUses are the two operations that ask for a PIN and send it.
var pinUses = map[string]func(context.Context, *card.Card, card.Verification) error{
	"verify": func(ctx context.Context, c *card.Card, v card.Verification) error {
		return c.DoWithPIN(ctx, v, nothing)
	},
	"change": func(ctx context.Context, c *card.Card, v card.Verification) error {
		ch := pinChange(v.PIN)
		ch.Verification = v
		return c.ChangePIN(ctx, ch)
	},
}

// The replacement has the same reader name, ATR and event count.
func TestTokenReplacedDuringPrompt(t *testing.T) {
	for name, use := range pinUses {
		for which, identity := range map[string]func(*card.Tx) (card.Identity, error){"known": readIdentity, "unknown": noIdentity} {
			t.Run(name+", identity "+which, func(t *testing.T) {
				first, second := token("a"), token("b")
				d := newFixture(t, first, nil)
				u := userEntering("111111", "654321", "111111", "654321")
				u.before = func() {
					if len(u.requests) == 1 {
						d.readers.Replace(zero, second)
					}
				}
				v := tokenPIN(u.ask)
				v.Identity = identity
				assert.ErrorIs(t, use(t.Context(), d.card, v), card.ErrChanged)
				assert.LessOrEqual(t, len(u.requests), 2, "not asked again")
				assert.Zero(t, first.Spent()+second.Spent())
				assert.ErrorIs(t, use(t.Context(), d.card, v), card.ErrChanged, "for good")
			})
		}
	}
}

// The card is not held between the two operations, so only the identity shows the
// exchange.
func TestTokenReplacedBetweenUses(t *testing.T) {
	first, second := token("a"), token("b")
	d := newFixture(t, first, nil)
	u := userEntering("111111", cardtest.PIN, "111111", cardtest.PIN)
	cached, forget := card.CachePIN(u.ask, time.Hour)
	defer forget()
	require.NoError(t, d.card.DoWithPIN(t.Context(), tokenPIN(cached), nothing))
	require.Len(t, u.requests, 2)
	d.readers.Replace(zero, second)
	before := second.Exchanges().Commands
	assert.ErrorIs(t, d.card.DoWithPIN(t.Context(), tokenPIN(cached), nothing), card.ErrChanged)
	assert.Len(t, u.requests, 2, "neither asked for nor remembered")
	assert.LessOrEqual(t, second.Exchanges().Commands-before, 3, "SELECT and the identity")

	there, err := d.service.Card(t.Context(), zero)
	require.NoError(t, err)
	assert.NotSame(t, d.card, there)
	require.NoError(t, there.DoWithPIN(t.Context(), tokenPIN(cached), nothing))
	require.Len(t, u.requests, 4, "the remembered PIN is of the other token")
	assert.Equal(t, []string{"CHUID of a", "CHUID of b"}, []string{u.requests[0].Card.Label, u.requests[2].Card.Label})
	assert.NoError(t, u.requests[2].Refused)
	assert.ErrorIs(t, u.requests[3].Refused, card.ErrWrongPIN, "a PIN that the other token refused may be right")
	assert.Equal(t, []int{1, 1}, []int{first.Spent(), second.Spent()})
}

// The same token in another reader has the same refused PINs.
func TestRefusalsGoWithTheToken(t *testing.T) {
	d := newFixture(t, token("a"), nil)
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), tokenPIN(userEntering("111111").ask), nothing), errGaveUp)
	d.readers.Replace(zero, token("b"))
	d.readers.Plug("another", d.soft)
	moved, err := d.service.Card(t.Context(), "another")
	require.NoError(t, err)
	u := userEntering("111111")
	require.ErrorIs(t, moved.DoWithPIN(t.Context(), tokenPIN(u.ask), nothing), errGaveUp)
	assert.Equal(t, []error{card.ErrRefusedBefore}, u.refusals())
	assert.Equal(t, 1, d.soft.Spent())
}

// While a key is held the user is asked without another look at the card. If the key
// is closed during the prompt, the connection stays all the same.
func TestTokenReplacedAfterReleaseDuringPrompt(t *testing.T) {
	first, second := token("a"), token("b")
	d := newFixture(t, first, nil)
	release, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	u := userEntering("111111")
	v := tokenPIN(u.ask)
	v.Identity, v.Always = noIdentity, true
	require.NoError(t, d.card.Do(t.Context(), func(tx *card.Tx) error {
		_, err := tx.PINStatus(v)
		return err
	}))
	before := first.Exchanges().Commands
	u.before = func() {
		assert.Equal(t, before, first.Exchanges().Commands)
		release()
		d.readers.Replace(zero, second)
	}
	assert.ErrorIs(t, d.card.DoWithPIN(t.Context(), v, nothing), card.ErrChanged)
	assert.Zero(t, second.Spent())
}

// If the connection is lost during the prompt, only an identity shows that the card is
// the same.
func TestConnectionLostDuringPrompt(t *testing.T) {
	for name, test := range map[string]struct {
		identity card.Identity
		want     error
	}{
		"known identity":   {aCard, nil},
		"unknown identity": {card.Identity{}, card.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			d, n := newHookedFixture(t)
			u := userEntering(cardtest.PIN)
			u.before = func() {
				n.begin = func(context.Context) error {
					n.begin = nil
					return driver.CommError
				}
			}
			assert.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(test.identity, u.ask), nothing), test.want)
			assert.Equal(t, test.want == nil, d.card.Do(t.Context(), nothing) == nil)
		})
	}
}
