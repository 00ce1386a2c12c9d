package enumerate_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/faultmatrix"
	"github.com/smartlogon/smartlogon/internal/toyapp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newToyFinder returns a Finder that also looks for the toy application.
func newToyFinder(s *card.Service) *enumerate.Finder {
	f := newFinder(s)
	f.Add(toyapp.Kind)
	return f
}

// toyCard returns a toy card with certificates for the user principal names.
func toyCard(serial string, upns ...string) *cardtest.Card {
	var certificates [][]byte
	for n, upn := range upns {
		_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, n), UPNs: []string{upn}})
		certificates = append(certificates, der)
	}
	return toyapp.NewCard(serial, certificates...)
}

// TestThirdApplication uses an application that package enumerate does not know in
// all ways in which a program uses a card.
func TestThirdApplication(t *testing.T) {
	soft := toyCard("0001", "alice@example.com", "bob@example.com")
	f := finder(t, soft, cardtest.Logon("carol@example.com"))
	f.Policy.EnumerateECCCerts = true
	f.Add(toyapp.Kind)
	credentials, errs := all(t, f)
	require.Empty(t, errs)
	require.Len(t, credentials, 3)
	offered, err := f.Offered(t.Context())
	require.NoError(t, err)
	require.Len(t, offered, 3)
	c := offered[0]
	assert.Equal(t, `alice@example.com (TOY 0 in "Software Reader 00")`, c.String())
	assert.Equal(t, "0001", c.Card.String())
	assert.True(t, c.Default)

	key, err := c.Unlock(t.Context(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		assert.Equal(t, "alice@example.com", r.Title)
		assert.Equal(t, c.Card, r.Card)
		return card.NewPIN([]byte(cardtest.PIN)), nil
	})
	require.NoError(t, err)
	assertSigns(t, key, c)
	_, err = key.Decrypt(nil, nil, nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.True(t, soft.Verified())
	require.NoError(t, key.Close())
	assert.False(t, soft.Verified())

	_, err = c.Unlock(t.Context(), card.FixedPIN("000000"))
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.EqualError(t, err, `enumerate: toy: open key 0: card: "Software Reader 00": verify PIN: PIN is wrong (retries left: 4)`)
	_, err = c.Unlock(t.Context(), nil)
	assert.ErrorIs(t, err, card.ErrPINRequired)

	pin := c.PIN()
	status, err := pin.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, card.PINStatus{Retries: 4}, status)
	require.NoError(t, pin.Change(t.Context(), answers(cardtest.PIN, "654321")))
	key, err = c.Unlock(t.Context(), card.FixedPIN("654321"))
	require.NoError(t, err)
	require.NoError(t, key.Close())
	assert.ErrorIs(t, pin.Unblock(t.Context(), mustNotAsk(t)), errors.ErrUnsupported)
	assert.ErrorIs(t, pin.UnblockByAdministrator(t.Context(), nil, mustNotAsk(t)), errors.ErrUnsupported)
	roots, err := c.Roots(t.Context())
	assert.NoError(t, err)
	assert.Nil(t, roots)
}

func TestThirdApplicationBesidePIV(t *testing.T) {
	toy := toyCard("0001", "alice@example.com")
	piv := cardtest.Logon("bob@example.com", cardtest.PIVBadFormatCosts)
	f := finder(t, cardtest.Combine(piv, toy))
	f.Add(toyapp.Kind)
	for range 2 {
		credentials, errs := all(t, f)
		require.Empty(t, errs)
		require.Len(t, credentials, 2)
		for _, c := range credentials {
			key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			assertSigns(t, key, c)
			require.NoError(t, key.Close())
		}
	}
	assert.Zero(t, piv.Spent()+toy.Spent())
	assert.False(t, piv.Verified() || toy.Verified())
}

func TestWatchThirdApplication(t *testing.T) {
	watching(t, nil, newToyFinder, func(t *testing.T, w *watched) {
		w.readers.Plug("R", toyCard("0001", "alice@example.com", "bob@example.com"))
		list := w.appeared()
		require.Len(t, list, 2)
		w.readers.Unplug("R")
		w.gone(list...)
	})
}

// TestThirdApplicationReplaced replaces a card by another with the same
// certificates.
func TestThirdApplicationReplaced(t *testing.T) {
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0)})
	first, second := toyapp.NewCard("0001", certificate), toyapp.NewCard("0002", certificate)
	readers := cardtest.NewReaders(first)
	f := finderOn(t, readers, nil)
	f.Add(toyapp.Kind)
	c := only(t, f)
	key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	readers.Replace(zero, second)
	for range 2 {
		assertOver(t, sign(key))
	}
	require.NoError(t, key.Close())
	_, err = c.Unlock(t.Context(), mustNotAsk(t))
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.Equal(t, "0002", only(t, f).Card.String())
	readers.Replace(zero, first)
	key, err = c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
}

// TestThirdApplicationWithFaults runs the fault matrix on cards with the toy
// application, or with the race detector a tenth of it.
func TestThirdApplicationWithFaults(t *testing.T) {
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{faultmatrix.UPN}})
	var c *enumerate.Credential
	row := faultmatrix.Card{
		Name:       "toy",
		New:        func() []*cardtest.Card { return []*cardtest.Card{toyapp.NewCard("0001", certificate)} },
		Containers: []faultmatrix.Container{{Name: "0", Certificate: certificate, Signs: true}},
		More: []faultmatrix.Operation{{Name: "change the PIN", Writes: true,
			Prepare: func(ctx context.Context, p *faultmatrix.Program) error {
				for listed, err := range p.Finder.All(ctx) {
					c = listed
					return err
				}
				return errors.New("no credential")
			},
			Run: func(ctx context.Context, p *faultmatrix.Program) error { return c.PIN().Change(ctx, p.Ask) },
		}},
	}
	every, least := 1, 1100
	if racing {
		every, least = 10, 110
	}
	count := faultmatrix.Run(t, faultmatrix.InProcess, newToyFinder, []faultmatrix.Card{row}, every)
	fmt.Println("fault matrix, toy application:", count)
	assert.GreaterOrEqual(t, count.Cases, least)
	assert.Positive(t, count.Right)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}
