package enumerate_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// virtualCard returns a virtual smart card for signing in.
func virtualCard(options ...cardtest.Option) *cardtest.Card {
	return put(cardtest.TPM(options...), "kxc00", cardtest.Leaf{UPNs: []string{"alice@example.com"}})
}

func TestGIDSCredentials(t *testing.T) {
	c := put(cardtest.GIDS(), "kxc00", cardtest.Leaf{UPNs: []string{"zero@example.com"}})
	put(c, "ksc01", cardtest.Leaf{UPNs: []string{"one@example.com"}})
	put(c, "kxc02", cardtest.Leaf{UPNs: []string{"two@example.com"}})
	c.SetDefault("kxc02")
	f := finder(t, c)
	credentials, errs := all(t, f)
	require.Empty(t, errs)
	require.Len(t, credentials, 3)
	var lines []string
	for _, c := range credentials {
		assert.Equal(t, enumerate.GIDS, c.Application)
		lines = append(lines, fmt.Sprint(c.Container, " ", c.Default, " ", c.KeySpec == rules.KeySpec{Kind: rules.Signature}, " ", c.Findings.Offered(), " ", c.Title()))
	}
	assert.Equal(t, []string{
		"kxc02 true false true two@example.com",
		"kxc00 false false true zero@example.com",
		"ksc01 false true false one@example.com",
	}, lines)
	assert.Equal(t, "5a17106f-0000-4000-8000-000000000002", credentials[0].Name)

	offered, err := f.Offered(t.Context())
	require.NoError(t, err)
	require.Len(t, offered, 2)
	assert.Equal(t, "two@example.com", offered[0].Title(), "the default container is first")
	f.Policy.AllowSignatureOnlyKeys = true
	offered, err = f.Offered(t.Context())
	require.NoError(t, err)
	assert.Len(t, offered, 3)
}

func TestGIDSKey(t *testing.T) {
	for name, soft := range map[string]*cardtest.Card{"GIDS": put(cardtest.GIDS(), "kxc00", cardtest.Leaf{}), "TPM": virtualCard()} {
		t.Run(name, func(t *testing.T) {
			c := only(t, finder(t, soft))
			key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			assertSigns(t, key, c)
			public := key.Public().(*rsa.PublicKey)
			message := []byte("what is signed")
			for _, opts := range []crypto.SignerOpts{crypto.SHA256, &rsa.PSSOptions{Hash: crypto.SHA512, SaltLength: rsa.PSSSaltLengthEqualsHash}} {
				_, err = key.SignMessage(rand.Reader, message, opts)
				require.NoError(t, err)
			}
			sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, message)
			require.NoError(t, err)
			plain, err := key.Decrypt(rand.Reader, sealed, nil)
			require.NoError(t, err)
			assert.Equal(t, message, plain)
			_, err = key.ECDH(nil)
			assert.ErrorIs(t, err, errors.ErrUnsupported)
			require.NoError(t, key.Close())
			assert.False(t, soft.Verified())
			assert.Zero(t, soft.Spent()+soft.Writes())
		})
	}
}

func TestGIDSChangedCertificate(t *testing.T) {
	soft := virtualCard()
	f := finder(t, soft)
	c := only(t, f)
	put(soft, "kxc00", cardtest.Leaf{UPNs: []string{"bob@example.com"}})
	_, err := c.Unlock(t.Context(), mustNotAsk(t))
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.Equal(t, []string{"bob@example.com"}, only(t, f).Names.UPNs)
}

func TestGIDSWrongKey(t *testing.T) {
	key := cardtest.Key(cardtest.RSA2048, 1)
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 0)})
	opened, err := only(t, finder(t, cardtest.GIDS().Put("kxc00", key, certificate))).Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer opened.Close()
	_, err = opened.Sign(nil, make([]byte, 32), crypto.SHA256)
	assert.ErrorIs(t, err, piv.ErrMismatch)
	assert.NotEmpty(t, card.Hint(err))
}

// TestMixedCards lists cards of all kinds, one without a known application among
// them.
func TestMixedCards(t *testing.T) {
	f := finder(t, put(cardtest.Logon("alice@example.com"), "9C", cardtest.Leaf{}), put(virtualCard(), "ksc01", cardtest.Leaf{}), unsupportedCard())
	for range 2 {
		credentials, errs := all(t, f)
		var on []string
		for _, c := range credentials {
			on = append(on, fmt.Sprint(c.Application, " ", c.Container, " in ", c.Reader))
		}
		assert.ElementsMatch(t, []string{
			"PIV 9A in Software Reader 00", "PIV 9C in Software Reader 00",
			"GIDS kxc00 in Software Reader 01", "GIDS ksc01 in Software Reader 01",
		}, on)
		require.Len(t, errs, 1)
		assert.ErrorIs(t, errs[0], enumerate.ErrNoApplication)
		assert.ErrorContains(t, errs[0], `reader "Software Reader 02": no known application on the card`)
	}
}

// pivAndGIDSCard returns a card with both applications. The methods of combined are
// about PIV, those of gids about GIDS.
func pivAndGIDSCard(options ...cardtest.Option) (combined, gids *cardtest.Card) {
	gids = virtualCard()
	return cardtest.Combine(put(cardtest.PIV(options...), "9A", cardtest.Leaf{UPNs: []string{"alice@example.com"}}), gids), gids
}

func TestPIVAndGIDS(t *testing.T) {
	combined, gids := pivAndGIDSCard(cardtest.PIVBadFormatCosts)
	f := finder(t, combined)
	for range 3 {
		credentials, errs := all(t, f)
		require.Empty(t, errs)
		require.Len(t, credentials, 2)
		assert.Equal(t, []enumerate.Application{enumerate.PIV, enumerate.GIDS}, []enumerate.Application{credentials[0].Application, credentials[1].Application})
		for _, c := range credentials {
			key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			assertSigns(t, key, c)
			require.NoError(t, key.Close())
		}
	}
	for _, app := range []*cardtest.Card{combined, gids} {
		assert.Zero(t, app.Spent())
		assert.False(t, app.Verified())
	}
}

// TestPIVAndGIDSWithOtherProgram has another program select the other application
// between all transactions, also while the user is asked. A PIN that is sent to the
// wrong application would cost a try there.
func TestPIVAndGIDSWithOtherProgram(t *testing.T) {
	combined, gids := pivAndGIDSCard(cardtest.PIVBadFormatCosts)
	readers := cardtest.NewReaders(combined)
	f := finderOn(t, readers, nil)
	other := readers.Service()
	defer other.Close()
	aids := [][]byte{{0xA0, 0x00, 0x00, 0x03, 0x08}, []byte("\xA0\x00\x00\x03\x97BTFY")}
	turn := 0
	intrude := func() {
		turn++
		c, err := other.Card(t.Context(), "Software Reader 00")
		require.NoError(t, err)
		require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
			_, err := tx.Select(aids[turn%2])
			return err
		}))
	}
	ask := func(context.Context, card.PINRequest) (card.PIN, error) {
		intrude()
		return card.NewPIN([]byte(cardtest.PIN)), nil
	}
	credentials, errs := all(t, f)
	require.Empty(t, errs)
	require.Len(t, credentials, 2)
	for range 4 {
		var keys []*enumerate.Key
		for _, c := range credentials {
			intrude()
			key, err := c.Unlock(t.Context(), ask)
			require.NoError(t, err)
			keys = append(keys, key)
		}
		for range 3 {
			for i, key := range keys {
				intrude()
				assertSigns(t, key, credentials[i])
			}
		}
		for _, key := range keys {
			intrude()
			require.NoError(t, key.Close())
		}
		intrude() // so that the applications change roles in the next round
	}
	for _, app := range []*cardtest.Card{combined, gids} {
		assert.Equal(t, 3, app.RetriesLeft())
		assert.Zero(t, app.Spent())
		assert.False(t, app.Verified())
	}
}

func TestPINManager(t *testing.T) {
	for name, test := range map[string]struct {
		soft *cardtest.Card
		puk  bool
	}{
		"PIV":             {cardtest.Logon("alice@example.com"), true},
		"GIDS":            {virtualCard(), false},
		"GIDS with a PUK": {virtualCard(cardtest.GIDSWithPUK), true},
	} {
		t.Run(name, func(t *testing.T) {
			c := only(t, finder(t, test.soft))
			pin := c.PIN()
			status, err := pin.Status(t.Context())
			require.NoError(t, err)
			assert.Equal(t, card.PINStatus{Retries: 3}, status)

			require.NoError(t, pin.Change(t.Context(), answers(cardtest.PIN, "654321")))
			_, err = c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			assert.ErrorIs(t, err, card.ErrWrongPIN)
			key, err := c.Unlock(t.Context(), card.FixedPIN("654321"))
			require.NoError(t, err)
			require.NoError(t, key.Close())

			err = pin.Unblock(t.Context(), answers(cardtest.PUK, "246802"))
			if test.puk {
				require.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, errors.ErrUnsupported)
				require.NoError(t, pin.UnblockByAdministrator(t.Context(), testkeys.Administrator(cardtest.AdminKey), answers("246802")))
			}
			key, err = c.Unlock(t.Context(), card.FixedPIN("246802"))
			require.NoError(t, err)
			require.NoError(t, key.Close())
		})
	}
}

// answers returns a PINFunc with these answers in turn.
func answers(list ...string) card.PINFunc {
	return func(context.Context, card.PINRequest) (card.PIN, error) {
		if len(list) == 0 {
			return card.PIN{}, errors.New("no more answers")
		}
		pin := card.NewPIN([]byte(list[0]))
		list = list[1:]
		return pin.AllowLastTry(), nil // most cards do not report the retry counter of the PUK
	}
}

func TestPINManagerUnsupported(t *testing.T) {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{})
	pin := enumerate.New(der, nil).PIN()
	_, err := pin.Status(t.Context())
	for _, err := range []error{err, pin.Change(t.Context(), mustNotAsk(t)), pin.Unblock(t.Context(), mustNotAsk(t)), pin.UnblockByAdministrator(t.Context(), nil, mustNotAsk(t)),
		only(t, finder(t, cardtest.Logon("a@example.com"))).PIN().UnblockByAdministrator(t.Context(), nil, mustNotAsk(t))} {
		assert.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

func TestRoots(t *testing.T) {
	store := []byte{0x30, 0x03, 0x02, 0x01, 0x05}
	for name, test := range map[string]struct {
		soft *cardtest.Card
		want []byte
	}{
		"PIV":            {cardtest.Logon("a@example.com").PutObject(0x5FFF11, []byte("\x82\x05\x30\x03\x02\x01\x05")), store},
		"PIV, none":      {cardtest.Logon("a@example.com"), nil},
		"GIDS":           {virtualCard().PutFile("mscp/msroots", store), store},
		"GIDS, packed":   {virtualCard().PutFile("mscp/msroots", []byte("\x01\x00\x05\x00\x78\xDA\x33\x60\x66\x62\x64\x05\x00\x01\x0E\x00\x3C")), store},
		"GIDS, none":     {virtualCard(), nil},
		"GIDS, an empty": {virtualCard().PutFile("mscp/msroots", nil), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := only(t, finder(t, test.soft)).Roots(t.Context())
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
	_, err := only(t, finder(t, virtualCard().PutFile("mscp/msroots", []byte("rubbish")))).Roots(t.Context())
	assert.ErrorIs(t, err, card.ErrMalformed)
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{})
	_, err = enumerate.New(der, nil).Roots(t.Context())
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestExchangesOfListingGIDS(t *testing.T) {
	soft := virtualCard()
	for i := 1; i < 5; i++ {
		put(soft, fmt.Sprintf("kxc%02X", i), cardtest.Leaf{})
	}
	f := finder(t, soft)
	for _, most := range []int{40, 3, 3} {
		before := soft.Exchanges().Commands
		credentials, errs := all(t, f)
		require.Empty(t, errs)
		require.Len(t, credentials, 5)
		assert.LessOrEqual(t, soft.Exchanges().Commands-before, most)
	}
	put(soft, "kxc05", cardtest.Leaf{})
	credentials, _ := all(t, f)
	assert.Len(t, credentials, 6)
}

func TestFinderForgetsRemovedCard(t *testing.T) {
	readers := cardtest.NewReaders(virtualCard())
	f := finderOn(t, readers, nil)
	assert.Equal(t, enumerate.GIDS, only(t, f).Application)
	readers.Remove("Software Reader 00")
	readers.Insert("Software Reader 00", cardtest.Logon("bob@example.com"))
	c := only(t, f)
	assert.Equal(t, enumerate.PIV, c.Application)
	assert.Equal(t, []string{"bob@example.com"}, c.Names.UPNs)
}

// TestUnclearApplication has a card whose status leaves open whether it has PIV: an
// error is yielded beside the credentials of the other application.
func TestUnclearApplication(t *testing.T) {
	combined, _ := pivAndGIDSCard()
	readers := cardtest.NewReaders(combined)
	readers.Fault("Software Reader 00", 1, cardtest.Fault{What: cardtest.WrongStatus, Status: 0x6F00})
	f := finderOn(t, readers, nil)
	credentials, errs := all(t, f)
	require.Len(t, credentials, 1)
	assert.Equal(t, enumerate.GIDS, credentials[0].Application)
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], card.StatusNoDiagnosis)
	assert.ErrorIs(t, errs[0], piv.ErrNotPIV)
	assert.NotErrorIs(t, errs[0], enumerate.ErrNoApplication)
	credentials, errs = all(t, f)
	assert.Empty(t, errs)
	assert.Len(t, credentials, 2, "asked again in the next listing")

	readers = cardtest.NewReaders(unsupportedCard())
	readers.Fault("Software Reader 00", 1, cardtest.Fault{What: cardtest.WrongStatus, Status: 0x6F00, Times: -1})
	_, errs = all(t, finderOn(t, readers, nil))
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], enumerate.ErrNoApplication)
	assert.ErrorIs(t, errs[0], card.StatusNoDiagnosis)
}
