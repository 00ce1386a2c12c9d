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

// Before each of our transactions another program selects another application, whose
// PIN has the same instruction and reference. No try is spent in either application.
func TestNeighbor(t *testing.T) {
	for name, options := range map[string][]cardtest.Option{
		"default": nil, "SELECT keeps a PIN": {cardtest.GIDSSelectKeeps},
		"selected by a reset": {cardtest.Implicit}, "no logout": {cardtest.NoLogout},
	} {
		for _, identified := range []bool{true, false} {
			if !identified {
				name += ", no cardid"
			}
			t.Run(name, func(t *testing.T) {
				neighbor := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "999999")
				soft := withKey(cardtest.GIDS(append(options, neighbor)...))
				if !identified {
					soft.PutFile("cardid", nil)
				}
				readers := cardtest.NewReaders(soft)
				service, other := readers.Service(), readers.Service()
				defer other.Close()
				defer service.Close()
				selectNeighbor := func() {
					c, err := other.Card(t.Context(), reader)
					require.NoError(t, err)
					require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
						_, err := tx.Select(neighbor.AID())
						return err
					}))
				}
				c, err := service.Card(t.Context(), reader)
				require.NoError(t, err)
				g := gids.New(c)
				cert := onlyCertificate(t, g)
				selectNeighbor()
				key, err := g.Key(t.Context(), cert, smallKey().Public(), func(context.Context, card.PINRequest) (card.PIN, error) {
					selectNeighbor()
					return card.NewPIN([]byte(cardtest.PIN)), nil
				})
				require.NoError(t, err)
				for range 3 {
					selectNeighbor()
					_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
					require.NoError(t, err)
				}
				selectNeighbor()
				require.NoError(t, key.Close())
				assert.False(t, soft.Verified())
				selectNeighbor()
				require.NoError(t, g.ChangePIN(t.Context(), (&prompter{answers: []string{cardtest.PIN, "654321"}}).ask))
				assert.Equal(t, []int{3, 0, 3, 0}, []int{neighbor.RetriesLeft(), neighbor.Spent(), soft.RetriesLeft(), soft.Spent()})
				assert.False(t, soft.Verified())
			})
		}
	}
}

// An impostor returns a cardid to every command.
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

// A chip is a card.Transmitter.
type chip struct{ *iso.Card }

func (c chip) Transmit(b []byte) ([]byte, error) { return c.Card.Transmit(b), nil }

// An application that accepts every command does not get the PIN.
func TestImpostor(t *testing.T) {
	app, other := softgids.New(softgids.Config{}), &impostor{}
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: smallKey()})
	require.NoError(t, app.Put("kxc00", smallKey(), der))
	c := card.New(reader, chip{iso.New(iso.Config{}, app, other)})
	selectImpostor := func() {
		require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
			_, err := tx.Select(other.AID())
			return err
		}))
	}
	selectImpostor()
	g := gids.New(c)
	cert := onlyCertificate(t, g)
	selectImpostor()
	_, err := g.PINStatus(t.Context())
	require.NoError(t, err)
	key, err := g.Key(t.Context(), cert, smallKey().Public(), func(context.Context, card.PINRequest) (card.PIN, error) {
		selectImpostor()
		return card.NewPIN([]byte(cardtest.PIN)), nil
	})
	require.NoError(t, err)
	for range 2 {
		selectImpostor()
		_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		require.NoError(t, err)
	}
	selectImpostor()
	require.NoError(t, key.Close())
	assert.Zero(t, other.pins)
	assert.Zero(t, app.Tries().Spent)
	assert.False(t, app.Tries().Verified)
}
