package enumerate_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cardWithCardKey returns a card for signing in with a Card Authentication key.
func cardWithCardKey(kind cardtest.KeyKind, n int) *cardtest.Card {
	return put(cardtest.Logon("alice@example.com"), "9E", cardtest.Leaf{Key: cardtest.Key(kind, n)})
}

func TestProve(t *testing.T) {
	for _, kind := range []cardtest.KeyKind{cardtest.RSA2048, cardtest.P256} {
		soft := cardWithCardKey(kind, 0)
		f := finder(t, soft)
		f.Prove = true
		offered, err := f.Offered(t.Context())
		require.NoError(t, err)
		before := soft.Exchanges().Commands
		key, err := offered[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		assertSigns(t, key, offered[0])
		require.NoError(t, key.Close())
		proving := soft.Exchanges().Commands - before

		f.Prove = false
		offered, err = f.Offered(t.Context())
		require.NoError(t, err)
		before = soft.Exchanges().Commands
		key, err = offered[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		assertSigns(t, key, offered[0])
		require.NoError(t, key.Close())
		assert.Greater(t, proving, soft.Exchanges().Commands-before)
	}
}

func TestProveOtherCardKey(t *testing.T) {
	soft := cardWithCardKey(cardtest.P256, 0)
	f := finder(t, soft)
	f.Prove = true
	offered, err := f.Offered(t.Context())
	require.NoError(t, err)
	soft.Put("9E", cardtest.Key(cardtest.P256, 1), nil) // a copy has all that is public
	_, err = offered[0].Unlock(t.Context(), mustNotAsk(t))
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.ErrorIs(t, err, piv.ErrMismatch)
	assert.Zero(t, soft.Spent())
}

func TestProveWithoutCardKey(t *testing.T) {
	f := finder(t, cardtest.Logon("alice@example.com"))
	f.Prove = true
	offered, err := f.Offered(t.Context())
	require.NoError(t, err)
	key, err := offered[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
}

// TestProveAfterListingAnotherCard lists a card with the same certificate and another
// Card Authentication key between listing and unlocking.
func TestProveAfterListingAnotherCard(t *testing.T) {
	signer, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 2)})
	withCardKey := func(n int) *cardtest.Card {
		return put(cardtest.PIV(), "9E", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, n)}).Put("9A", signer, certificate)
	}
	readers := cardtest.NewReaders(withCardKey(0))
	f := finderOn(t, readers, nil)
	f.Prove = true
	first, errs := all(t, f)
	require.Empty(t, errs)
	readers.Replace(zero, withCardKey(1))
	second, errs := all(t, f)
	require.Empty(t, errs)
	require.Equal(t, first[0].Raw, second[0].Raw)
	_, err := first[0].Unlock(t.Context(), mustNotAsk(t))
	assert.ErrorIs(t, err, card.ErrChanged)
	key, err := second[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
}
