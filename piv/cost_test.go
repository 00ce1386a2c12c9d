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

// silentATR has no historical bytes: the card does not announce extended length.
var silentATR = cardtest.ATR([]byte{0x3B, 0x80, 0x01, 0x81})

// withLongCertificates stores certificates of 1.5 KB, a usual size, in the first n
// slots.
func withLongCertificates(t testing.TB, soft *cardtest.Card, n int) *cardtest.Card {
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

// The commands of the first and the second list. Package enumerate adds one for
// another application.
func TestCostOfAList(t *testing.T) {
	history := func(soft *cardtest.Card) *cardtest.Card { return withKeyHistory(soft, 0) }
	for _, test := range []struct {
		name        string
		card        *cardtest.Card
		first, then int
	}{
		{"extended length, 4 certificates", withLongCertificates(t, cardtest.PIV(silentATR), 4), 7, 7},
		{"extended length, 24 certificates", withLongCertificates(t, cardtest.PIV(silentATR), 24), 27, 27},
		{"short length, 4 certificates", withLongCertificates(t, cardtest.PIV(silentATR, cardtest.ShortLengths), 4), 28, 27},
		{"short length, 24 certificates", withLongCertificates(t, cardtest.PIV(silentATR, cardtest.ShortLengths), 24), 148, 147},
		{"a YubiKey without key history, 4 certificates", withLongCertificates(t, yubikey("5.7.1"), 4), 26, 26},
		{"a YubiKey with key history, 4 certificates", history(withLongCertificates(t, yubikey("5.7.1"), 4)), 8, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := open(t, test.card)
			for _, most := range []int{test.first, test.then} {
				before := test.card.Exchanges().Commands
				_, errs := list(t.Context(), p, piv.ScanUsual)
				require.Empty(t, errs)
				spent := test.card.Exchanges().Commands - before
				assert.LessOrEqual(t, spent, most)
				assert.GreaterOrEqual(t, spent, most-2, "the bound is tight")
			}
		})
	}
}

// The commands of KeyFor, one signature and Close after a list:
//
//	SELECT, certificate       the card that was listed, before the user is asked
//	metadata                  the policy of the key (YubiKeys)
//	discovery, CHUID          which PIN, which card
//	retry counter             what the prompt says
//	discovery, retry counter  PIV is selected and the counter is the same
//	VERIFY
//	discovery                 PIV is selected, if the PIN was verified before
//	GENERAL AUTHENTICATE
//	log out
//
// For a long RSA key one more is sent to a reader that was not seen to carry its
// commands. With [piv.Signature], VERIFY and GENERAL AUTHENTICATE share a transaction.
func TestCostOfASignature(t *testing.T) {
	for _, test := range []struct {
		name          string
		card          *cardtest.Card
		slot          piv.Slot
		kind          cardtest.KeyKind
		first, then   int
		otherSelected bool // another program selects another application before KeyFor
	}{
		{name: "9A", card: cardtest.PIV(), slot: piv.Authentication, first: 11, then: 2},
		{name: "9C", card: cardtest.PIV(), slot: piv.Signature, first: 10, then: 4},
		{name: "9E", card: cardtest.PIV(), slot: piv.CardAuthentication, first: 5, then: 2},
		{name: "9A after another application", card: cardtest.PIV(), slot: piv.Authentication, first: 11, then: 2, otherSelected: true},
		{name: "9C after another application", card: cardtest.PIV(), slot: piv.Signature, first: 10, then: 4, otherSelected: true},
		{name: "9A of a YubiKey", card: yubikey("5.7.1"), slot: piv.Authentication, first: 12, then: 2},
		{name: "9C of a YubiKey", card: yubikey("5.7.1"), slot: piv.Signature, first: 11, then: 4},
		{name: "9A of a YubiKey that has no metadata and refuses to log out", card: yubikey("5.2.7"), slot: piv.Authentication, first: 13, then: 2},
		{name: "9A, RSA 2048", card: cardtest.PIV(), slot: piv.Authentication, kind: cardtest.RSA2048, first: 12, then: 2},
		{name: "9A, RSA 2048, extended length learnt from the list", card: cardtest.PIV(silentATR), slot: piv.Authentication, kind: cardtest.RSA2048, first: 12, then: 2},
		// The certificate takes three more, the signature two.
		{name: "9A, RSA 2048, short lengths", card: cardtest.PIV(cardtest.ShortLengths), slot: piv.Authentication, kind: cardtest.RSA2048, first: 16, then: 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.kind == "" {
				test.kind = cardtest.P256
			}
			signer := cardtest.Key(test.kind, 0)
			soft := withCertificates(test.card, slots()[:4]...).Put(container(test.slot), signer, certificateFor(signer, "a@example.com"))
			p := openDriver(t, withHabit(soft, nil))
			var listed *piv.Certificate
			for cert, err := range p.Certificates(t.Context(), piv.ScanPrimary) {
				require.NoError(t, err)
				if cert.Slot == test.slot {
					listed = cert
				}
			}
			if test.otherSelected {
				_, err := p.PINStatus(t.Context()) // reads the discovery object
				require.NoError(t, err)
			}
			spend := func() int { return soft.Exchanges().Commands }

			before := spend()
			key, err := p.KeyFor(t.Context(), listed, card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			require.NoError(t, err)
			first := spend() - before
			for range 2 {
				before := spend()
				_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
				require.NoError(t, err)
				assert.Equal(t, test.then, spend()-before)
			}
			before = spend()
			require.NoError(t, key.Close())
			assert.Equal(t, test.first, first+spend()-before)
			assert.False(t, soft.Verified())
		})
	}
}

// What this package sends without an administrator: SELECT, GET DATA, VERIFY,
// GENERAL AUTHENTICATE, which every PIV card has, and nothing that writes. If the
// answer to reset names a YubiKey, GET METADATA is added, for the policy of a key that
// is opened, and GET SERIAL NUMBER, for the identity of one without CHUID. Both only
// read, and older firmware refuses them.
func TestInstructionsThatAreSent(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	standard := []byte{0xA4, 0xCB, 0x20, 0x87}
	for name, test := range map[string]struct {
		card *cardtest.Card
		want []byte
	}{
		"PIV card":              {cardtest.PIV(), standard},
		"PIV card, no CHUID":    {cardtest.PIV().PutObject(tagCHUID, nil), standard},
		"YubiKey":               {yubikey("5.7.1"), append([]byte{0xF7}, standard...)},
		"old YubiKey":           {yubikey("4.3.5"), append([]byte{0xF7}, standard...)},
		"YubiKey without CHUID": {yubikey("5.7.1").PutObject(tagCHUID, nil), append([]byte{0xF7, 0xF8}, standard...)},
	} {
		t.Run(name, func(t *testing.T) {
			withCertificates(test.card, slots()...).Put("9A", private, nil)
			sent := map[byte]bool{}
			ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) { sent[c.INS] = true }})
			exercise(ctx, t, open(t, test.card), private)
			want := map[byte]bool{}
			for _, ins := range test.want {
				want[ins] = true
			}
			assert.Equal(t, want, sent)
			assert.Zero(t, test.card.Writes())
		})
	}
}

// exercise calls everything that needs no administrator.
func exercise(ctx context.Context, t *testing.T, p *piv.Card, private crypto.Signer) {
	t.Helper()
	_, errs := list(ctx, p, piv.ScanAll)
	require.Empty(t, errs)
	_, err := p.CHUID(ctx)
	if err != nil {
		require.ErrorIs(t, err, piv.ErrNotFound)
	}
	_, err = p.Identity(ctx)
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
