package enumerate_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withOwnKey is a card with which alice signs in, and which has a key of its own.
func withOwnKey(kind cardtest.KeyKind, n int) *cardtest.Card {
	return put(cardtest.Logon("alice@example.com"), "9E", cardtest.Leaf{Key: cardtest.Key(kind, n)})
}

func TestCardProvesThatItIsTheSame(t *testing.T) {
	for _, kind := range []cardtest.KeyKind{cardtest.RSA2048, cardtest.P256} {
		soft := withOwnKey(kind, 0)
		f := finder(t, soft)
		f.Prove = true
		tiles, err := f.Offered(t.Context())
		require.NoError(t, err)
		before := soft.Exchanges().Commands
		key, err := tiles[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		assertSigns(t, key, tiles[0])
		require.NoError(t, key.Close())
		proving := soft.Exchanges().Commands - before

		f.Prove = false
		tiles, err = f.Offered(t.Context())
		require.NoError(t, err)
		before = soft.Exchanges().Commands
		key, err = tiles[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		assertSigns(t, key, tiles[0])
		require.NoError(t, key.Close())
		assert.Greater(t, proving, soft.Exchanges().Commands-before)
	}
}

func TestAnotherCardWithTheSameCertificateGetsNoPIN(t *testing.T) {
	soft := withOwnKey(cardtest.P256, 0)
	f := finder(t, soft)
	f.Prove = true
	tiles, err := f.Offered(t.Context())
	require.NoError(t, err)
	soft.Put("9E", cardtest.Key(cardtest.P256, 1), nil) // a copy knows what is public
	_, err = tiles[0].Unlock(t.Context(), nobody(t))
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.ErrorIs(t, err, piv.ErrMismatch)
	assert.Zero(t, soft.Spent())
}

func TestCardWithoutAKeyOfItsOwnNeedNotProve(t *testing.T) {
	f := finder(t, cardtest.Logon("alice@example.com"))
	f.Prove = true
	tiles, err := f.Offered(t.Context())
	require.NoError(t, err)
	key, err := tiles[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
}
