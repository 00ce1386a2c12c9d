package piv_test

import (
	"context"
	"crypto"
	"crypto/x509/pkix"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

// silentATR says nothing of what the card can do.
var silentATR = cardtest.ATR([]byte{0x3B, 0x80, 0x01, 0x81})

// full has certificates of usual size, 1.5 KB, in the first n slots.
func full(t testing.TB, soft *cardtest.Card, n int) *cardtest.Card {
	t.Helper()
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{
		UPNs:       []string{"alice@example.com"},
		Extensions: []pkix.Extension{{Id: []int{1, 2, 3}, Value: make([]byte, 650)}},
	})
	require.InDelta(t, 1500, len(der), 100)
	for _, s := range slots()[:n] {
		soft.Put(container(s), nil, der)
	}
	return soft
}

// What it costs to list a card that nobody has seen, and once more. One exchange
// more asks for another application, which is for package enumerate to count.
func TestCostOfAList(t *testing.T) {
	history := func(soft *cardtest.Card) *cardtest.Card { return announces(soft, 0) }
	for _, test := range []struct {
		name        string
		card        *cardtest.Card
		first, then int
	}{
		{"extended length, 4 certificates", full(t, cardtest.PIV(silentATR), 4), 7, 7},
		{"extended length, 24 certificates", full(t, cardtest.PIV(silentATR), 24), 27, 27},
		{"short length, 4 certificates", full(t, cardtest.PIV(silentATR, cardtest.ShortLengths), 4), 28, 27},
		{"short length, 24 certificates", full(t, cardtest.PIV(silentATR, cardtest.ShortLengths), 24), 148, 147},
		{"a YubiKey without key history, 4 certificates", full(t, yubikey("5.7.1"), 4), 26, 26},
		{"a YubiKey with key history, 4 certificates", history(full(t, yubikey("5.7.1"), 4)), 8, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := open(t, test.card)
			for _, most := range []int{test.first, test.then} {
				before := test.card.Exchanges().Commands
				_, errs := list(t.Context(), p, piv.ScanUsual)
				require.Empty(t, errs)
				spent := test.card.Exchanges().Commands - before
				assert.LessOrEqual(t, spent, most)
				assert.GreaterOrEqual(t, spent, most-2, "the bound says something")
			}
		})
	}
}

// Opening a key reads the identity of the card and, if the slot wants the PIN once,
// verifies it. A signature checks whether the application is still selected.
func TestCostOfASignature(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, test := range []struct {
		slot                piv.Slot
		opened, first, then int
	}{
		{piv.Authentication, 7, 2, 2},
		{piv.Signature, 4, 4, 4},
		{piv.CardAuthentication, 2, 2, 2},
	} {
		t.Run(test.slot.String(), func(t *testing.T) {
			soft := cardtest.PIV().Put(container(test.slot), private, nil)
			key, err := open(t, soft).Key(t.Context(), test.slot, private.Public(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			defer key.Close()
			assert.LessOrEqual(t, soft.Exchanges().Commands, test.opened)
			for _, most := range []int{test.first, test.then, test.then} {
				before := soft.Exchanges().Commands
				_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
				require.NoError(t, err)
				assert.LessOrEqual(t, soft.Exchanges().Commands-before, most)
			}
		})
	}
}

// Nothing is sent to a card that no standard has: no vendor's instruction
// first, nothing that writes.
func TestInstructionsThatAreSent(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, soft := range []*cardtest.Card{cardtest.PIV(), yubikey("5.7.1")} {
		with(soft, slots()...).Put("9A", private, nil)
		sent := map[byte]bool{}
		ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) { sent[c.INS] = true }})
		exercise(ctx, t, open(t, soft), private)
		assert.Equal(t, map[byte]bool{0xA4: true, 0xCB: true, 0x20: true, 0x87: true}, sent)
		assert.Zero(t, soft.Writes())
	}
}

// exercise does everything once that this package does without an administrator.
func exercise(ctx context.Context, t *testing.T, p *piv.Card, private crypto.Signer) {
	t.Helper()
	_, errs := list(ctx, p, piv.ScanAll)
	require.Empty(t, errs)
	_, err := p.CHUID(ctx)
	require.NoError(t, err)
	_, err = p.CCC(ctx)
	require.NoError(t, err)
	_, err = p.Discovery(ctx)
	require.NoError(t, err)
	_, err = p.KeyHistory(ctx)
	if err != nil {
		require.ErrorIs(t, err, piv.ErrNotFound)
	}
	_, err = p.PINStatus(ctx)
	require.NoError(t, err)
	key, err := p.Key(ctx, piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	require.NoError(t, key.Close())
}
