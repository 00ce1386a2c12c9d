package gids_test

import (
	"context"
	"crypto"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/gids"
	softgids "github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Another program selects another application, with a PIN of its own under the same
// instruction and reference, whenever no section of ours runs. Its tries stay, and so
// do ours.
func TestNeighbour(t *testing.T) {
	for name, options := range map[string][]cardtest.Option{
		"a plain card": nil, "one that keeps a PIN at SELECT": {cardtest.GIDSSelectKeeps},
		"one that is GIDS after a reset": {cardtest.Implicit}, "one that cannot log out": {cardtest.NoLogout},
	} {
		t.Run(name, func(t *testing.T) {
			neighbour := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "999999")
			soft := withKey(cardtest.GIDS(append(options, neighbour)...))
			readers := cardtest.NewReaders(soft)
			service, other := readers.Service(), readers.Service()
			defer other.Close()
			defer service.Close()
			intrude := func() {
				c, err := other.Card(t.Context(), reader)
				require.NoError(t, err)
				require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
					_, err := tx.Select(neighbour.AID())
					return err
				}))
			}
			c, err := service.Card(t.Context(), reader)
			require.NoError(t, err)
			g := gids.New(c)
			it := only(t, g)
			intrude()
			key, err := g.Key(t.Context(), it, small().Public(), func(context.Context, card.PINRequest) (card.PIN, error) {
				intrude() // while the person types
				return card.NewPIN([]byte(cardtest.PIN)), nil
			})
			require.NoError(t, err)
			for range 3 {
				intrude()
				_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
				require.NoError(t, err)
			}
			intrude()
			require.NoError(t, key.Close())
			intrude()
			require.NoError(t, g.ChangePIN(t.Context(), (&person{answers: []string{cardtest.PIN, "654321"}}).ask))
			assert.Equal(t, []int{3, 0, 3, 0}, []int{neighbour.RetriesLeft(), neighbour.Spent(), soft.RetriesLeft(), soft.Spent()})
			assert.False(t, soft.Verified())
		})
	}
}

// An impostor is an application that answers every command, and has an object where
// GIDS cards have their identifier.
type impostor struct{ pins int }

func (*impostor) AID() []byte                     { return []byte{0xF0, 1, 2, 3, 4, 5} }
func (*impostor) Select(iso.Command) iso.Response { return iso.Data(nil) }
func (*impostor) Chains(byte) bool                { return true }
func (*impostor) Deselect()                       {}
func (*impostor) Reset()                          {}

func (i *impostor) Process(c iso.Command) iso.Response {
	if c.INS == 0x20 && len(c.Data) > 0 {
		i.pins++
	}
	return iso.Data(ber.Append(nil, 0xDF20, []byte("0123456789ABCDEF")))
}

type chip struct{ *iso.Card }

func (c chip) Transmit(b []byte) ([]byte, error) { return c.Card.Transmit(b), nil }

// That an application answers is no sign that it is ours, not at first either.
func TestNeighbourThatAnswersEverything(t *testing.T) {
	app, other := softgids.New(softgids.Config{}), &impostor{}
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: small()})
	require.NoError(t, app.Put("kxc00", small(), der))
	c := card.New(reader, chip{iso.New(iso.Config{}, app, other)})
	intrude := func() {
		require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
			_, err := tx.Select(other.AID())
			return err
		}))
	}
	intrude()
	g := gids.New(c)
	it := only(t, g)
	intrude()
	_, err := g.PINStatus(t.Context())
	require.NoError(t, err)
	key, err := g.Key(t.Context(), it, small().Public(), func(context.Context, card.PINRequest) (card.PIN, error) {
		intrude()
		return card.NewPIN([]byte(cardtest.PIN)), nil
	})
	require.NoError(t, err)
	for range 2 {
		intrude()
		_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		require.NoError(t, err)
	}
	intrude()
	require.NoError(t, key.Close())
	assert.Zero(t, other.pins, "no PIN of ours")
	assert.Zero(t, app.Tries().Spent)
	assert.False(t, app.Tries().Verified)
}
