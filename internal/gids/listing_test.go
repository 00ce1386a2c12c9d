package gids_test

import (
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

func TestCertificates(t *testing.T) {
	soft := cardtest.GIDS()
	var want [][]byte
	for _, name := range []string{"kxc00", "ksc01", "kxc03"} {
		want = append(want, putLeaf(soft, name, cardtest.Key(cardtest.RSA2048, 0)))
	}
	soft.SetDefault("kxc03")
	certs, errs := list(t.Context(), newCard(t, soft))
	require.Empty(t, errs)
	require.Equal(t, []string{"kxc03", "kxc00", "ksc01"}, files(certs), "the default container first")
	assert.Equal(t, want[2], certs[0].Raw)
	assert.Equal(t, want[0], certs[1].Raw)
	assert.Equal(t, want[1], certs[2].Raw)

	third := certs[0].Container
	assert.Equal(t, "5a17106f-0000-4000-8000-000000000003", third.Name)
	assert.Equal(t, []any{3, true, 0, 2048, byte(0x84)}, []any{third.Index, third.Default, third.SignBits, third.ExchangeBits, third.Reference()})
	second := certs[2].Container
	assert.Equal(t, []any{1, false, 2048, 0, byte(0x82)}, []any{second.Index, second.Default, second.SignBits, second.ExchangeBits, second.Reference()})
	assert.Equal(t, []bool{false, false, true}, []bool{certs[0].Signature, certs[1].Signature, certs[2].Signature})
}

// The variant of a card does not change the list.
func TestCertificatesOfVariants(t *testing.T) {
	for name, options := range map[string][]cardtest.Option{
		"default": nil, "T=0": {cardtest.T0}, "short lengths": {cardtest.ShortLengths},
		"exact Le": {cardtest.ExactLe}, "ignores Le": {cardtest.IgnoresLe}, "responses of 100 bytes": {cardtest.MaxResponse(100)},
		"plain certificates": {cardtest.GIDSPlainCertificates}, "no key map": {cardtest.GIDSNoKeyMap}, "no properties": {cardtest.GIDSNoProperties},
		"selected already": {cardtest.Implicit}, "decimal names": {cardtest.GIDSDecimalNames}, "parts of 240 bytes": {cardtest.MaxCommand(246)},
	} {
		for kind, soft := range map[string]*cardtest.Card{"GIDS": cardtest.GIDS(options...), "TPM": cardtest.TPM(options...)} {
			t.Run(kind+", "+name, func(t *testing.T) {
				want := map[int][]byte{}
				for i := range 12 {
					want[i] = putLeaf(soft, fmt.Sprintf("kxc%02X", i), smallKey())
				}
				certs, errs := list(t.Context(), newCard(t, soft))
				require.Empty(t, errs)
				require.Len(t, certs, 12)
				for i, c := range certs {
					assert.Equal(t, i, c.Container.Index)
					assert.Equal(t, want[i], c.Raw)
				}
				assert.Zero(t, soft.Writes())
			})
		}
	}
}

func TestCardsWithoutCertificates(t *testing.T) {
	certs, errs := list(t.Context(), newCard(t, cardtest.GIDS(cardtest.GIDSBlank)))
	assert.Empty(t, certs)
	assert.Empty(t, errs)
	certs, errs = list(t.Context(), newCard(t, cardtest.GIDS()))
	assert.Empty(t, certs)
	assert.Empty(t, errs)
}

func TestCardWithoutGIDS(t *testing.T) {
	for name, soft := range map[string]*cardtest.Card{
		"PIV":                         cardtest.Logon("alice@example.com"),
		"application of another name": cardtest.PIV(cardtest.PIVMissing, cardtest.NewNeighbor([]byte("\xA0\x00\x00\x03\x97other"), "1234")),
	} {
		t.Run(name, func(t *testing.T) {
			g := newCard(t, soft)
			_, errs := list(t.Context(), g)
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], gids.ErrNotGIDS)
			_, err := g.PINStatus(t.Context())
			assert.ErrorIs(t, err, gids.ErrNotGIDS)
			assert.NotEmpty(t, card.Hint(err))
		})
	}
}

// An error about one record says where it is, and the others are listed.
func TestMalformedRecords(t *testing.T) {
	newSoft := func() *cardtest.Card {
		soft := cardtest.GIDS()
		putLeaf(soft, "kxc00", smallKey())
		putLeaf(soft, "kxc02", smallKey())
		return soft
	}
	for _, test := range []struct {
		name   string
		change func(*cardtest.Card)
		want   []string
		err    string
	}{
		{"certificate: not compressed", func(c *cardtest.Card) { c.PutFile("mscp/kxc00", []byte("rubbish")) }, []string{"kxc02"}, "certificate kxc00: object A010/DF24: malformed data from the card: certificate is marked as compressed but is not"},
		{"certificate: empty", func(c *cardtest.Card) { c.PutFile("mscp/kxc02", nil) }, []string{"kxc00"}, "certificate kxc02: object A010/DF25: not on the card"},
		{"certificate: truncated", func(c *cardtest.Card) { f := c.File("mscp/kxc00"); c.PutFile("mscp/kxc00", f[:len(f)-9]) }, []string{"kxc02"}, "unexpected EOF"},
		{"certificate: another size", func(c *cardtest.Card) { f := c.File("mscp/kxc00"); f[2]++; c.PutFile("mscp/kxc00", f) }, []string{"kxc02"}, "not to the"},
		{"certificate: of an unused container", func(c *cardtest.Card) { c.PutFile("mscp/kxc01", c.File("mscp/kxc00")) }, []string{"kxc00", "kxc02"}, "container 1 is empty"},
		{"certificate: of a missing container", func(c *cardtest.Card) { c.PutFile("mscp/kxc7F", c.File("mscp/kxc00")) }, []string{"kxc00", "kxc02"}, "container 127 is empty"},
		{"certificate: of the other kind of key", func(c *cardtest.Card) { c.PutFile("mscp/ksc00", c.File("mscp/kxc00")) }, []string{"kxc00", "kxc02"}, "certificate ksc00"},
		{"container map: truncated", func(c *cardtest.Card) { f := c.File("mscp/cmapfile"); c.PutFile("mscp/cmapfile", f[:len(f)-1]) }, []string{"kxc00"}, "container map: object A010/DF23: malformed data from the card: byte 172: 85 bytes left over"},
		{"container map: empty", func(c *cardtest.Card) { c.PutFile("mscp/cmapfile", nil) }, []string{"kxc00", "kxc02"}, ""},
		{"counters: truncated", func(c *cardtest.Card) { c.PutFile("cardcf", []byte{1}) }, []string{"kxc00", "kxc02"}, ""},
		{"names that are not of certificates", func(c *cardtest.Card) { c.PutFile("mscp/kxc", nil).PutFile("kxc01", nil).PutFile("mscp/kxc0G", nil) }, []string{"kxc00", "kxc02"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := newSoft()
			test.change(soft)
			certs, errs := list(t.Context(), newCard(t, soft))
			assert.Equal(t, test.want, files(certs))
			if test.err == "" {
				assert.Empty(t, errs)
				return
			}
			require.NotEmpty(t, errs)
			assert.ErrorContains(t, errs[0], test.err)
			assertDataError(t, errs[0])
		})
	}
}

// From container 10 on, a name can stand for two containers.
func TestNumbering(t *testing.T) {
	keys := []crypto.Signer{cardtest.Key(cardtest.RSA2048, 0), cardtest.Key(cardtest.RSA2048, 1)}
	t.Run("two containers, two certificates", func(t *testing.T) {
		for _, options := range [][]cardtest.Option{nil, {cardtest.GIDSDecimalNames}} {
			soft := cardtest.GIDS(options...)
			want := map[int][]byte{}
			for i := range 24 { // includes 10 and 16
				want[i] = putLeaf(soft, fmt.Sprintf("kxc%02X", i), smallKey())
			}
			certs, errs := list(t.Context(), newCard(t, soft))
			require.Empty(t, errs)
			require.Len(t, certs, 24)
			for _, c := range certs {
				assert.Equal(t, want[c.Container.Index], c.Raw, c.File)
			}
		}
	})
	t.Run("two containers, one certificate: by the key", func(t *testing.T) {
		for i, options := range [][]cardtest.Option{nil, {cardtest.GIDSDecimalNames}} {
			soft := cardtest.GIDS(options...)
			soft.Put("kxc0A", keys[0], nil).Put("kxc10", keys[1], nil)
			name := []string{"kxc10", "kxc0A"}[i] // both are stored as kxc10
			putLeaf(soft, name, keys[1-i])
			certs, errs := list(t.Context(), newCard(t, soft))
			require.Empty(t, errs)
			require.Equal(t, []string{"kxc10"}, files(certs))
			assert.Equal(t, []int{16, 10}[i], certs[0].Container.Index)
		}
	})
	t.Run("two containers, one malformed certificate: hexadecimal", func(t *testing.T) {
		soft := cardtest.GIDS()
		soft.Put("kxc0A", keys[0], nil).Put("kxc10", keys[0], nil)
		soft.PutFile("mscp/kxc10", []byte{0x30, 0x00})
		certs, errs := list(t.Context(), newCard(t, soft))
		require.Empty(t, errs)
		require.Len(t, certs, 1)
		assert.Equal(t, 16, certs[0].Container.Index)
	})
	t.Run("hexadecimal and decimal on one card", func(t *testing.T) {
		soft := cardtest.GIDS()
		putLeaf(soft, "kxc0A", smallKey())
		putLeaf(soft, "kxc0B", smallKey())
		putLeaf(soft, "kxc0C", smallKey())
		f := soft.File("mscp/kxc0C")
		soft.PutFile("mscp/kxc12", f) // container 12 in decimal
		certs, errs := list(t.Context(), newCard(t, soft))
		require.Empty(t, errs)
		assert.Equal(t, []string{"kxc0A", "kxc0B", "kxc0C", "kxc12"}, files(certs))
		assert.Equal(t, 12, certs[3].Container.Index)
	})
}

func TestKeyMap(t *testing.T) {
	soft := cardtest.GIDS()
	key := cardtest.Key(cardtest.RSA1024, 0)
	soft.Put("kxc05", key, nil) // reference 86
	putLeaf(soft, "kxc00", cardtest.Key(cardtest.RSA2048, 0))
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: key})
	soft.Put("kxc00", nil, der)
	soft.PutData(0xA000, 0xDF20, []byte{1, 1, 0, 0, 0, 6, 0x9A, 0x86, 0xB0, 0xFF, 0xFF, 0, 0})
	g := newCard(t, soft)
	certs, errs := list(t.Context(), g)
	require.Empty(t, errs)
	require.Len(t, certs, 1)
	k, err := g.Key(t.Context(), certs[0], key.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer k.Close()
	_, err = k.Sign(nil, make([]byte, 32), crypto.SHA256)
	require.NoError(t, err)
}

// Only instructions that Windows is known to send are sent, and none that writes.
func TestInstructionsThatAreSent(t *testing.T) {
	soft := cardtest.TPM()
	putLeaf(soft, "kxc00", smallKey())
	sent := map[byte]bool{}
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
		sent[c.INS] = true
		assert.LessOrEqual(t, len(c.Data), 240)
		assert.LessOrEqual(t, c.Ne, 256)
	}})
	g := newCard(t, soft)
	certs, errs := list(ctx, g)
	require.Empty(t, errs)
	k, err := g.Key(ctx, certs[0], smallKey().Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	_, err = k.Sign(nil, make([]byte, 32), crypto.SHA256)
	require.NoError(t, err)
	require.NoError(t, k.Close())
	assert.Equal(t, map[byte]bool{0xA4: true, 0xCB: true, 0x20: true, 0x22: true, 0x2A: true, 0xC0: true}, sent)
	assert.Zero(t, soft.Writes())
	assert.False(t, soft.Verified())
}
