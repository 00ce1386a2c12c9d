package card_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// verify verifies the PIN of the card in the reader and returns the number of prompts
// so far.
func (d *fixture) verify(p *testUser, cached card.PINFunc) int {
	d.t.Helper()
	var err error
	d.card, err = d.service.Card(d.t.Context(), zero)
	require.NoError(d.t, err)
	require.NoError(d.t, d.card.DoWithPIN(d.t.Context(), pinVerification(aCard, cached), nothing))
	return len(p.requests)
}

func TestCachePIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFixture(t, cardtest.PIV(), nil)
		p := userEntering(cardtest.PIN, cardtest.PIN, cardtest.PIN)
		cached, forget := card.CachePIN(p.ask, time.Minute)
		assert.Equal(t, 1, d.verify(p, cached))
		assert.Equal(t, 1, d.verify(p, cached))
		<-time.After(59 * time.Second) // of synctest
		assert.Equal(t, 1, d.verify(p, cached))
		<-time.After(time.Second)
		synctest.Wait()
		assert.Equal(t, 2, d.verify(p, cached), "the time is from the prompt on")
		forget()
		assert.Equal(t, 3, d.verify(p, cached))
		forget()
		forget()
		d.close()
	})
}

func TestCachePINForgets(t *testing.T) {
	for _, test := range []struct {
		name  string
		event func(*testing.T, *fixture)
		asked int // in total
	}{
		{"nothing happened", func(*testing.T, *fixture) {}, 1},
		{"card removed and inserted", func(_ *testing.T, d *fixture) {
			d.readers.Remove(zero)
			d.readers.Insert(zero, d.soft)
		}, 2},
		{"held card reset by another program", func(t *testing.T, d *fixture) {
			release, err := d.card.Hold(t.Context())
			require.NoError(t, err)
			t.Cleanup(release)
			d.readers.Reset(zero)
		}, 2},
		{"PIN changed", func(t *testing.T, d *fixture) {
			require.NoError(t, d.card.ChangePIN(t.Context(), pinChange(userEntering(cardtest.PIN, "654321").ask)))
			require.NoError(t, d.card.ChangePIN(t.Context(), pinChange(userEntering("654321", cardtest.PIN).ask)))
		}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFixture(t, cardtest.PIV(), nil)
			p := userEntering(cardtest.PIN, cardtest.PIN)
			cached, forget := card.CachePIN(p.ask, time.Hour)
			defer forget()
			d.verify(p, cached)
			test.event(t, d)
			assert.Equal(t, test.asked, d.verify(p, cached))
		})
	}
}

func TestCachePINOtherCard(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	p := userEntering(cardtest.PIN, cardtest.PIN)
	cached, forget := card.CachePIN(p.ask, time.Hour)
	defer forget()
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, cached), nothing))
	d.readers.Remove(zero)
	d.readers.Insert(zero, cardtest.PIV())
	another, err := d.service.Card(t.Context(), zero)
	require.NoError(t, err)
	require.NoError(t, another.DoWithPIN(t.Context(), pinVerification(bCard, cached), nothing))
	assert.Len(t, p.requests, 2)
}

func TestCachePINWrongPIN(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	p := userEntering("111111", cardtest.PIN)
	cached, forget := card.CachePIN(p.ask, time.Hour)
	defer forget()
	assert.Equal(t, 2, d.verify(p, cached))
	assert.Equal(t, 2, d.verify(p, cached))
	assert.Equal(t, 1, d.soft.Spent())
}

func TestCachePINLastTry(t *testing.T) {
	d := newFixture(t, cardtest.PIV(cardtest.RetriesLeft(1)), nil)
	p := userEntering(cardtest.PIN, cardtest.PIN)
	p.pins[0], p.pins[1] = p.pins[0].AllowLastTry(), p.pins[1].AllowLastTry()
	cached, forget := card.CachePIN(p.ask, time.Hour)
	defer forget()
	d.verify(p, cached)
	spend := card.FixedPIN("111111")
	require.Error(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, spend), nothing))
	spend = card.FixedPIN("222222")
	require.Error(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, spend), nothing))
	require.Equal(t, 1, d.soft.RetriesLeft())
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, cached), nothing))
	require.Len(t, p.requests, 2, "asked again")
	assert.True(t, p.requests[1].Last)
}

func TestCachePINNewPIN(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	p := userEntering(cardtest.PIN, "654321", "654321")
	cached, forget := card.CachePIN(p.ask, time.Hour)
	defer forget()
	d.verify(p, cached)
	require.NoError(t, d.card.ChangePIN(t.Context(), pinChange(cached)))
	assert.Len(t, p.requests, 2, "only for the new one")
	assert.Equal(t, 3, d.verify(p, cached), "neither is remembered")
	assert.Zero(t, d.soft.Spent())
}

func TestCachePINZeroPIN(t *testing.T) {
	n := 0
	cached, forget := card.CachePIN(func(context.Context, card.PINRequest) (card.PIN, error) {
		n++
		return card.PIN{}, nil
	}, time.Hour)
	defer forget()
	for range 2 {
		_, err := cached(t.Context(), card.PINRequest{Pad: true})
		require.NoError(t, err)
	}
	assert.Equal(t, 2, n)
}

// The user confirms each use of such a key with the PIN.
func TestCachePINEachUse(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	for asked, allow := range map[int]bool{3: false, 1: true} {
		u := userEntering(cardtest.PIN, cardtest.PIN, cardtest.PIN)
		cached, forget := card.CachePIN(u.ask, time.Hour)
		defer forget()
		v := pinVerification(aCard, func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
			assert.True(t, r.EachUse)
			if allow {
				r.EachUse = false
			}
			return cached(ctx, r)
		})
		v.Always, v.EachUse = true, true
		for range 3 {
			require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
		}
		assert.Len(t, u.requests, asked)
	}
}

// Two applications may have the same reference.
func TestCachePINOtherApplication(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	u := userEntering(cardtest.PIN, cardtest.PIN)
	cached, forget := card.CachePIN(u.ask, time.Hour)
	defer forget()
	v := pinVerification(card.Identity{}, cached)
	require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
	v.Application = "another"
	require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
	assert.Len(t, u.requests, 2)
}
