package gids_test

import (
	"context"
	"crypto"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/gids"
)

const reader = "Software Reader 00"

// open makes the application of a card in a reader of its own.
func open(t *testing.T, soft *cardtest.Card) *gids.Card {
	t.Helper()
	return gids.New(inReader(t, soft))
}

func inReader(t *testing.T, soft *cardtest.Card) *card.Card {
	t.Helper()
	service := cardtest.NewService(soft)
	t.Cleanup(func() { require.NoError(t, service.Close()) })
	c, err := service.Card(t.Context(), reader)
	require.NoError(t, err)
	return c
}

// list sorts what is on a card.
func list(ctx context.Context, g *gids.Card) (found []*gids.Certificate, errs []error) {
	for it, err := range g.Certificates(ctx) {
		if err != nil {
			errs = append(errs, err)
		} else {
			found = append(found, it)
		}
	}
	return found, errs
}

// files are the names of certificates.
func files(found []*gids.Certificate) (names []string) {
	for _, it := range found {
		names = append(names, it.File)
	}
	return names
}

// put issues a certificate for a key, and puts both on a card.
func put(soft *cardtest.Card, name string, key crypto.Signer) []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: key, UPNs: []string{name + "@example.com"}})
	soft.Put(name, key, der)
	return der
}

// small is a key that is quick to use.
func small() crypto.Signer { return cardtest.Key(cardtest.RSA1024, 0) }

func TestCertificatesAsTheContainerMapHasThem(t *testing.T) {
	soft := cardtest.GIDS()
	var want [][]byte
	for _, name := range []string{"kxc00", "ksc01", "kxc03"} {
		want = append(want, put(soft, name, cardtest.Key(cardtest.RSA2048, 0)))
	}
	soft.SetDefault("kxc03")
	found, errs := list(t.Context(), open(t, soft))
	require.Empty(t, errs)
	require.Equal(t, []string{"kxc03", "kxc00", "ksc01"}, files(found), "the default one first")
	assert.Equal(t, want[2], found[0].Raw)
	assert.Equal(t, want[0], found[1].Raw)
	assert.Equal(t, want[1], found[2].Raw)

	third := found[0].Container
	assert.Equal(t, "5a17106f-0000-4000-8000-000000000003", third.Name)
	assert.Equal(t, []any{3, true, 0, 2048, byte(0x84)}, []any{third.Index, third.Default, third.SignBits, third.ExchangeBits, third.Reference()})
	second := found[2].Container
	assert.Equal(t, []any{1, false, 2048, 0, byte(0x82)}, []any{second.Index, second.Default, second.SignBits, second.ExchangeBits, second.Reference()})
	assert.Equal(t, []bool{false, false, true}, []bool{found[0].Signature, found[1].Signature, found[2].Signature})
}

// Whatever the habits of a card, what is on it is the same.
func TestCertificatesOfEveryCard(t *testing.T) {
	for name, options := range map[string][]cardtest.Option{
		"as it comes": nil, "T=0": {cardtest.T0}, "short lengths": {cardtest.ShortLengths},
		"exact Le": {cardtest.ExactLe}, "ignores Le": {cardtest.IgnoresLe}, "answers of 100 bytes": {cardtest.MaxResponse(100)},
		"plain certificates": {cardtest.GIDSPlainCertificates}, "no key map": {cardtest.GIDSNoKeyMap}, "no properties": {cardtest.GIDSNoProperties},
		"selected already": {cardtest.Implicit}, "decimal names": {cardtest.GIDSDecimalNames}, "parts of 240 bytes": {cardtest.MaxCommand(246)},
	} {
		for kind, soft := range map[string]*cardtest.Card{"GIDS": cardtest.GIDS(options...), "TPM": cardtest.TPM(options...)} {
			t.Run(kind+", "+name, func(t *testing.T) {
				want := map[int][]byte{}
				for i := range 12 {
					want[i] = put(soft, fmt.Sprintf("kxc%02X", i), small())
				}
				found, errs := list(t.Context(), open(t, soft))
				require.Empty(t, errs)
				require.Len(t, found, 12)
				for i, it := range found {
					assert.Equal(t, i, it.Container.Index)
					assert.Equal(t, want[i], it.Raw)
				}
				assert.Zero(t, soft.Writes())
			})
		}
	}
}

func TestCardThatNobodyHasSetUp(t *testing.T) {
	found, errs := list(t.Context(), open(t, cardtest.GIDS(cardtest.GIDSBlank)))
	assert.Empty(t, found)
	assert.Empty(t, errs)
	found, errs = list(t.Context(), open(t, cardtest.GIDS()))
	assert.Empty(t, found)
	assert.Empty(t, errs)
}

func TestCardOfAnotherKind(t *testing.T) {
	for name, soft := range map[string]*cardtest.Card{
		"PIV": cardtest.Logon("alice@example.com"),
		"an application that gives another name for itself": cardtest.PIV(cardtest.PIVMissing, cardtest.NewNeighbor([]byte("\xA0\x00\x00\x03\x97other"), "1234")),
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, soft)
			_, errs := list(t.Context(), g)
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], gids.ErrNotGIDS)
			_, err := g.PINStatus(t.Context())
			assert.ErrorIs(t, err, gids.ErrNotGIDS)
			assert.NotEmpty(t, card.Hint(err))
		})
	}
}

// One bad record hides nothing else, and says where it is.
func TestOneBadRecordHidesNothingElse(t *testing.T) {
	good := func() *cardtest.Card {
		soft := cardtest.GIDS()
		put(soft, "kxc00", small())
		put(soft, "kxc02", small())
		return soft
	}
	for _, test := range []struct {
		name  string
		spoil func(*cardtest.Card)
		found []string
		says  string
	}{
		{"a certificate of rubbish", func(c *cardtest.Card) { c.PutFile("mscp/kxc00", []byte("rubbish")) }, []string{"kxc02"}, "certificate kxc00, object A010/DF24: malformed data from the card: certificate is marked as compressed but is not"},
		{"an empty certificate", func(c *cardtest.Card) { c.PutFile("mscp/kxc02", nil) }, []string{"kxc00"}, "certificate kxc02, object A010/DF25: not on the card"},
		{"a certificate that is cut", func(c *cardtest.Card) { f := c.File("mscp/kxc00"); c.PutFile("mscp/kxc00", f[:len(f)-9]) }, []string{"kxc02"}, "unexpected EOF"},
		{"a certificate of another size", func(c *cardtest.Card) { f := c.File("mscp/kxc00"); f[2]++; c.PutFile("mscp/kxc00", f) }, []string{"kxc02"}, "not to the"},
		{"a certificate of an empty container", func(c *cardtest.Card) { c.PutFile("mscp/kxc01", c.File("mscp/kxc00")) }, []string{"kxc00", "kxc02"}, "container 1 is empty"},
		{"a certificate of a container that is not", func(c *cardtest.Card) { c.PutFile("mscp/kxc7F", c.File("mscp/kxc00")) }, []string{"kxc00", "kxc02"}, "container 127 is empty"},
		{"a certificate of the other kind", func(c *cardtest.Card) { c.PutFile("mscp/ksc00", c.File("mscp/kxc00")) }, []string{"kxc00", "kxc02"}, "certificate ksc00"},
		{"a container map that is cut", func(c *cardtest.Card) { f := c.File("mscp/cmapfile"); c.PutFile("mscp/cmapfile", f[:len(f)-1]) }, []string{"kxc00"}, "container map, object A010/DF23: malformed data from the card: byte 172: 85 bytes left over"},
		{"no container map", func(c *cardtest.Card) { c.PutFile("mscp/cmapfile", nil) }, []string{"kxc00", "kxc02"}, ""},
		{"a counter that is cut", func(c *cardtest.Card) { c.PutFile("cardcf", []byte{1}) }, []string{"kxc00", "kxc02"}, ""},
		{"files that are none", func(c *cardtest.Card) { c.PutFile("mscp/kxc", nil).PutFile("kxc01", nil).PutFile("mscp/kxc0G", nil) }, []string{"kxc00", "kxc02"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := good()
			test.spoil(soft)
			found, errs := list(t.Context(), open(t, soft))
			assert.Equal(t, test.found, files(found))
			if test.says == "" {
				assert.Empty(t, errs)
				return
			}
			require.NotEmpty(t, errs)
			assert.ErrorContains(t, errs[0], test.says)
			assertCardsFault(t, errs[0])
		})
	}
}

// From container 10 on a name may have two meanings.
func TestNumbersOfCertificates(t *testing.T) {
	keys := []crypto.Signer{cardtest.Key(cardtest.RSA2048, 0), cardtest.Key(cardtest.RSA2048, 1)}
	t.Run("both containers are there, and the certificates of both", func(t *testing.T) {
		for _, options := range [][]cardtest.Option{nil, {cardtest.GIDSDecimalNames}} {
			soft := cardtest.GIDS(options...)
			want := map[int][]byte{}
			for i := range 24 { // 10 and 16 among them
				want[i] = put(soft, fmt.Sprintf("kxc%02X", i), small())
			}
			found, errs := list(t.Context(), open(t, soft))
			require.Empty(t, errs)
			require.Len(t, found, 24)
			for _, it := range found {
				assert.Equal(t, want[it.Container.Index], it.Raw, it.File)
			}
		}
	})
	t.Run("both are there, and one certificate: the card's keys tell", func(t *testing.T) {
		for i, options := range [][]cardtest.Option{nil, {cardtest.GIDSDecimalNames}} {
			soft := cardtest.GIDS(options...)
			soft.Put("kxc0A", keys[0], nil).Put("kxc10", keys[1], nil)
			name := []string{"kxc10", "kxc0A"}[i] // kxc10 in either way of writing
			put(soft, name, keys[1-i])
			found, errs := list(t.Context(), open(t, soft))
			require.Empty(t, errs)
			require.Equal(t, []string{"kxc10"}, files(found))
			assert.Equal(t, []int{16, 10}[i], found[0].Container.Index)
		}
	})
	t.Run("nothing tells", func(t *testing.T) {
		soft := cardtest.GIDS()
		soft.Put("kxc0A", keys[0], nil).Put("kxc10", keys[0], nil)
		soft.PutFile("mscp/kxc10", []byte{0x30, 0x00})
		found, errs := list(t.Context(), open(t, soft))
		require.Empty(t, errs)
		require.Len(t, found, 1)
		assert.Equal(t, 16, found[0].Container.Index)
	})
	t.Run("written by two", func(t *testing.T) {
		soft := cardtest.GIDS()
		put(soft, "kxc0A", small())
		put(soft, "kxc0B", small())
		put(soft, "kxc0C", small())
		f := soft.File("mscp/kxc0C")
		soft.PutFile("mscp/kxc12", f) // 12 by somebody else
		found, errs := list(t.Context(), open(t, soft))
		require.Empty(t, errs)
		assert.Equal(t, []string{"kxc0A", "kxc0B", "kxc0C", "kxc12"}, files(found))
		assert.Equal(t, 12, found[3].Container.Index)
	})
}

func TestKeyMapSaysWhereKeysAre(t *testing.T) {
	soft := cardtest.GIDS()
	key := cardtest.Key(cardtest.RSA1024, 0)
	soft.Put("kxc05", key, nil) // its key has the reference 86
	put(soft, "kxc00", cardtest.Key(cardtest.RSA2048, 0))
	soft.PutFile("mscp/kxc00", soft.File("mscp/kxc00"))
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: key})
	soft.Put("kxc00", nil, der)
	m := append([]byte{0x01}, []byte{1, 0, 0, 0, 6, 0x9A, 0x86, 0xB0, 0xFF, 0xFF, 0, 0}...)
	soft.PutData(0xA000, 0xDF20, m)
	g := open(t, soft)
	found, errs := list(t.Context(), g)
	require.Empty(t, errs)
	require.Len(t, found, 1)
	k, err := g.Key(t.Context(), found[0], key.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer k.Close()
	_, err = k.Sign(nil, make([]byte, 32), crypto.SHA256)
	require.NoError(t, err)
}

// A card that says that nothing has changed is not read again.
func TestCostOfAList(t *testing.T) {
	soft := cardtest.GIDS()
	for i := range 5 {
		put(soft, fmt.Sprintf("kxc%02X", i), small())
	}
	c := inReader(t, soft)
	g := gids.New(c)
	spent := func(most int, want int) {
		t.Helper()
		before := soft.Exchanges().Commands
		found, errs := list(t.Context(), g)
		require.Empty(t, errs)
		require.Len(t, found, want)
		assert.LessOrEqual(t, soft.Exchanges().Commands-before, most)
	}
	spent(40, 5)
	spent(3, 5) // it lost its power, and is to be selected
	put(soft, "kxc05", small())
	spent(40, 6)
	spent(3, 6)
	release, err := c.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	spent(3, 6)
	spent(2, 6)
	soft.PutFile("cardcf", nil)
	spent(40, 6)
	spent(40, 6)
}

func TestCardThatIsAnother(t *testing.T) {
	soft := cardtest.GIDS()
	put(soft, "kxc00", small())
	g := open(t, soft)
	found, errs := list(t.Context(), g)
	require.Empty(t, errs)
	before := soft.Spent()
	soft.PutFile("cardid", []byte("0123456789ABCDEF"))
	_, err := g.Key(t.Context(), found[0], small().Public(), card.FixedPIN(cardtest.PIN))
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.Equal(t, before, soft.Spent())
	assert.False(t, soft.Verified())
}

func TestCertificateThatIsAnother(t *testing.T) {
	soft := cardtest.GIDS()
	put(soft, "kxc00", small())
	g := open(t, soft)
	found, _ := list(t.Context(), g)
	for _, content := range [][]byte{{0x30, 0x00}, nil} {
		soft.PutFile("mscp/kxc00", content)
		_, err := g.Key(t.Context(), found[0], small().Public(), card.FixedPIN(cardtest.PIN))
		assert.ErrorIs(t, err, card.ErrChanged)
		assert.False(t, soft.Verified())
	}
}

func TestCardWithoutIdentifier(t *testing.T) {
	soft := cardtest.GIDS()
	put(soft, "kxc00", small())
	soft.PutFile("cardid", nil)
	g := open(t, soft)
	for range 2 {
		found, errs := list(t.Context(), g)
		require.Empty(t, errs)
		require.Len(t, found, 1)
		k, err := g.Key(t.Context(), found[0], small().Public(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		_, err = k.Sign(nil, make([]byte, 32), crypto.SHA256)
		require.NoError(t, err)
		require.NoError(t, k.Close())
	}
}

// Nothing is sent to a card but what Windows is known to send, and nothing that
// writes.
func TestInstructionsThatAreSent(t *testing.T) {
	soft := cardtest.TPM()
	put(soft, "kxc00", small())
	sent := map[byte]bool{}
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
		sent[c.INS] = true
		assert.LessOrEqual(t, len(c.Data), 240)
		assert.LessOrEqual(t, c.Ne, 256)
	}})
	g := open(t, soft)
	found, errs := list(ctx, g)
	require.Empty(t, errs)
	k, err := g.Key(ctx, found[0], small().Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	_, err = k.Sign(nil, make([]byte, 32), crypto.SHA256)
	require.NoError(t, err)
	require.NoError(t, k.Close())
	assert.Equal(t, map[byte]bool{0xA4: true, 0xCB: true, 0x20: true, 0x22: true, 0x2A: true, 0xC0: true}, sent)
	assert.Zero(t, soft.Writes())
	assert.False(t, soft.Verified())
}
