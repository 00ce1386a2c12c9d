package gids_test

import (
	"crypto"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/gids"
	"github.com/smartlogon/smartlogon/internal/signature"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

func TestIdentity(t *testing.T) {
	const text = "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xAA\xBB\xCC\xDD\xEE\xFF"
	g := newCard(t, withKey(cardtest.GIDS().PutFile("cardid", []byte(text))))
	id, err := g.Identity(t.Context())
	require.NoError(t, err)
	assert.Equal(t, card.NewIdentity("GIDS cardid", []byte(text), "00112233445566778899aabbccddeeff"), id)
	assert.Equal(t, id, onlyCertificate(t, g).Card)

	for _, none := range []string{"", "\x00", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
		g := newCard(t, withKey(cardtest.GIDS().PutFile("cardid", []byte(none))))
		id, err := g.Identity(t.Context())
		require.NoError(t, err)
		assert.True(t, id.IsZero())
		assert.True(t, onlyCertificate(t, g).Card.IsZero())
	}
	_, err = newCard(t, cardtest.PIV()).Identity(t.Context())
	assert.ErrorIs(t, err, gids.ErrNotGIDS)
}

func TestIdentifierChanged(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	g := newCard(t, soft)
	cert := onlyCertificate(t, g)
	soft.PutFile("cardid", []byte("0123456789ABCDEF"))
	_, err := g.Key(t.Context(), cert, smallKey().Public(), card.FixedPIN(cardtest.PIN))
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.Zero(t, soft.PINs())
}

// The identifier changes while the card keeps its power.
func TestIdentifierChangedWithinEpoch(t *testing.T) {
	for _, content := range [][]byte{[]byte("0123456789ABCDEF"), make([]byte, 16), {}, nil} {
		soft := withKey(cardtest.GIDS())
		key := openKey(t, soft, smallKey().Public())
		soft.PutFile("cardid", content)
		_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		require.Error(t, err)
		assert.Equal(t, []int{1, 0}, []int{soft.PINs(), soft.KeyUses()})
	}
}

// Another certificate with other counters, and one that was not listed over the same
// Card, are noticed before the PIN is asked for.
func TestCertificateChanged(t *testing.T) {
	for _, content := range [][]byte{{0x30, 0x00}, nil} {
		soft := withKey(cardtest.GIDS())
		c := insert(t, soft)
		g := gids.New(c)
		cert := onlyCertificate(t, g)
		soft.PutFile("mscp/kxc00", content)
		_, err := gids.New(c).Key(t.Context(), cert, smallKey().Public(), card.FixedPIN(cardtest.PIN))
		assert.ErrorIs(t, err, card.ErrChanged)
		soft.PutFile("cardcf", []byte{0, 0, 0, 0, 9, 0})
		_, err = g.Key(t.Context(), cert, smallKey().Public(), card.FixedPIN(cardtest.PIN))
		assert.ErrorIs(t, err, card.ErrChanged)
		assert.Zero(t, soft.PINs())
	}
}

// A program that replaces a certificate without counting the change is not noticed
// before the PIN is sent, but Sign does not return a signature by another key.
func TestCertificateChangedWithoutCounting(t *testing.T) {
	listed, other := cardtest.Key(cardtest.P256, 0), cardtest.Key(cardtest.P256, 1)
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", listed)
	g := newCard(t, soft)
	cert := onlyCertificate(t, g)
	counters := soft.File("cardcf")
	putLeaf(soft, "kxc00", other)
	soft.PutFile("cardcf", counters)
	key, err := g.Key(t.Context(), cert, listed.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, signature.ErrMismatch)
}

// A card without an identifier is used as any other: the PIN is asked for once.
func TestCardWithoutIdentifier(t *testing.T) {
	for name, content := range map[string][]byte{"none": nil, "empty": {}, "zeros": make([]byte, 16)} {
		t.Run(name, func(t *testing.T) {
			soft := withKey(cardtest.GIDS())
			soft.PutFile("cardid", content)
			g := newCard(t, soft)
			for range 2 {
				p := prompter{answers: []string{cardtest.PIN}}
				key, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), p.ask)
				require.NoError(t, err)
				for range 3 {
					_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
					require.NoError(t, err)
				}
				require.NoError(t, key.Close())
				assert.Len(t, p.requests, 1)
			}
			p := prompter{answers: []string{"654321"}}
			require.NoError(t, g.UnblockByAdministrator(t.Context(), testkeys.Administrator(cardtest.AdminKey), p.ask))
			assert.True(t, accepts(t, soft, "654321"))
			assert.False(t, soft.Verified())
		})
	}
}
