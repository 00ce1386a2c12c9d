package enumerate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestErrorTexts checks that an error has each fact once: the operation, the
// container, the reader and the cause.
func TestErrorTexts(t *testing.T) {
	readers := cardtest.NewReaders(quickCard())
	f := finderOn(t, readers, &card.Options{BusyTimeout: 20 * time.Millisecond})
	c := only(t, f)
	_, err := c.Unlock(t.Context(), card.FixedPIN("000000"))
	assert.EqualError(t, err, `enumerate: piv: open key 9A (PIV Authentication): card: "Software Reader 00": verify PIN: PIN is wrong (retries left: 2)`)
	key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	_, err = key.ECDH(nil)
	assert.EqualError(t, err, `enumerate: reader "Software Reader 00": 9A: ECDH: no public key of the peer`)
	_, err = key.Decrypt(nil, nil, nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.ErrorContains(t, err, `enumerate: reader "Software Reader 00": piv: decrypt with 9A (PIV Authentication): unsupported operation`)
	require.NoError(t, key.Close())
	assert.EqualError(t, trySign(key), `enumerate: reader "Software Reader 00": 9A: sign: key is closed`)
	assert.ErrorContains(t, c.PIN().Change(t.Context(), nil), `enumerate: piv: change PIN: card: "Software Reader 00": set PIN: PIN required`)
	readers.Fault(zero, 1, cardtest.Fault{What: cardtest.Busy, Times: -1})
	_, errs := all(t, f)
	require.Len(t, errs, 1)
	assert.EqualError(t, errs[0], `enumerate: card: "Software Reader 00": GET DATA: another program holds the card (8010000B)`)
	readers.Remove(zero)
	_, errs = all(t, f)
	require.Len(t, errs, 1)
	assert.EqualError(t, errs[0], "enumerate: no card in the reader")

	_, der := cardtest.TestCA().Issue(cardtest.Leaf{})
	_, err = enumerate.New(der, nil).Unlock(t.Context(), nil)
	assert.EqualError(t, err, "enumerate: unlock: unsupported operation: the key is not on a card")
}
