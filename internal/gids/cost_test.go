package gids_test

import (
	"context"
	"crypto"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/gids"
)

// A card whose counters of changes stay the same is not read again.
func TestCostOfAList(t *testing.T) {
	soft := cardtest.GIDS()
	for i := range 5 {
		putLeaf(soft, fmt.Sprintf("kxc%02X", i), smallKey())
	}
	c := insert(t, soft)
	g := gids.New(c)
	checkCost := func(most int, want int) {
		t.Helper()
		before := soft.Exchanges().Commands
		certs, errs := list(t.Context(), g)
		require.Empty(t, errs)
		require.Len(t, certs, want)
		assert.LessOrEqual(t, soft.Exchanges().Commands-before, most)
	}
	checkCost(40, 5)
	checkCost(3, 5) // without power in between: SELECT, cardid, cardcf
	putLeaf(soft, "kxc05", smallKey())
	checkCost(40, 6)
	checkCost(3, 6)
	release, err := c.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	checkCost(3, 6)
	checkCost(2, 6) // cardid, cardcf
	soft.PutFile("cardcf", nil)
	checkCost(40, 6)
	checkCost(40, 6)
}

// After a list, a key is opened, used and closed with 11 exchanges: SELECT, cardid,
// cardcf, retry counter; cardid, retry counter, VERIFY; cardid and two commands for
// the signature; logout. Each further signature takes 3.
func TestCostOfASignature(t *testing.T) {
	for _, test := range []struct {
		name    string
		soft    *cardtest.Card
		private crypto.Signer
	}{
		{"RSA-1024", cardtest.GIDS(), cardtest.Key(cardtest.RSA1024, 0)},
		{"RSA-2048", cardtest.GIDS(), cardtest.Key(cardtest.RSA2048, 0)},
		{"P-256", cardtest.GIDS(), cardtest.Key(cardtest.P256, 0)},
		{"TPM", cardtest.TPM(), cardtest.Key(cardtest.RSA2048, 0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := test.soft
			putLeaf(soft, "kxc00", test.private)
			g := newCard(t, soft)
			cert := onlyCertificate(t, g)

			before := soft.Exchanges().Commands
			key, err := g.Key(t.Context(), cert, test.private.Public(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			sign := func() {
				_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
				require.NoError(t, err)
			}
			sign()
			first := soft.Exchanges().Commands
			for range 3 {
				sign()
			}
			further := soft.Exchanges().Commands - first
			require.NoError(t, key.Close())
			assert.Equal(t, 3*3, further)
			assert.Equal(t, 11, soft.Exchanges().Commands-before-further)
			assert.Equal(t, []int{1, 4}, []int{soft.PINs(), soft.KeyUses()})
			assert.False(t, soft.Verified())
		})
	}
}

// If another program has selected another application, two more exchanges select
// GIDS again before VERIFY and at the logout. Before a signature that application has
// also ended the verification of the PIN: the PIN is asked for again.
func TestCostAfterAnotherApplication(t *testing.T) {
	neighbor := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "999999")
	selectNeighbor := func(c *card.Card) {
		require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
			_, err := tx.Select(neighbor.AID())
			return err
		}))
	}
	for _, test := range []struct {
		at         string
		cost, pins int
	}{{"prompt", 11 + 2, 1}, {"signature", 11 + 2 + 4, 2}, {"logout", 11 + 2, 1}} {
		at := test.at
		t.Run(at, func(t *testing.T) {
			soft := withKey(cardtest.GIDS(neighbor, cardtest.GIDSSelectKeeps))
			c := insert(t, soft)
			g := gids.New(c)
			cert := onlyCertificate(t, g)
			before := soft.Exchanges().Commands
			key, err := g.Key(t.Context(), cert, smallKey().Public(), func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
				if at == "prompt" {
					selectNeighbor(c)
				}
				return card.NewPIN([]byte(cardtest.PIN)), nil
			})
			require.NoError(t, err)
			if at == "signature" {
				selectNeighbor(c)
			}
			_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			require.NoError(t, err)
			if at == "logout" {
				selectNeighbor(c)
			}
			require.NoError(t, key.Close())
			const neighborSelect = 1
			assert.Equal(t, test.cost, soft.Exchanges().Commands-before-neighborSelect)
			assert.Equal(t, test.pins, soft.PINs())
			assert.False(t, soft.Verified())
		})
	}
}
