package piv_test

import (
	"context"
	"crypto"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	softpiv "github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/piv"
)

// Another program selects another application, with a PIN of its own under the
// same instruction and reference, whenever no section of ours runs. Its tries
// stay, and so do ours.
func TestNeighbour(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, test := range []struct {
		name    string
		options []cardtest.Option
	}{
		{"of a plain card", nil},
		{"of a card without discovery object", []cardtest.Option{cardtest.PIVNoDiscovery}},
		{"of a card that forgets the PIN at each SELECT", []cardtest.Option{cardtest.PIVSelectClears}},
		{"of a card that is PIV after a reset", []cardtest.Option{cardtest.Implicit}},
		{"of a card that cannot log out", []cardtest.Option{cardtest.NoLogout}},
	} {
		for _, s := range []piv.Slot{piv.Authentication, piv.Signature, piv.CardAuthentication} {
			t.Run(test.name+", "+s.String(), func(t *testing.T) {
				neighbour := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "99999999")
				soft := cardtest.PIV(append(test.options, neighbour)...).Put(container(s), private, nil)
				readers := cardtest.NewReaders(soft)
				other := readers.Service()
				defer other.Close()
				intrude := func() {
					c, err := other.Card(t.Context(), reader)
					require.NoError(t, err)
					require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
						_, err := tx.Select(neighbour.AID())
						return err
					}))
				}
				p := openIn(t, readers)
				_, err := p.PINStatus(t.Context())
				require.NoError(t, err)
				intrude()
				key, err := p.Key(t.Context(), s, private.Public(), func(context.Context, card.PINRequest) (card.PIN, error) {
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
				_, err = p.PINStatus(t.Context())
				require.NoError(t, err)

				assert.Equal(t, 3, neighbour.RetriesLeft())
				assert.Zero(t, neighbour.Spent())
				assert.Equal(t, 3, soft.RetriesLeft())
				assert.Zero(t, soft.Spent())
				assert.False(t, soft.Verified())
			})
		}
	}
}

// The neighbour's PIN status is not taken for ours.
func TestNeighbourIsNotAskedForItsTries(t *testing.T) {
	neighbour := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "99999999")
	soft := cardtest.PIV(neighbour, cardtest.MaxRetries(7))
	readers := cardtest.NewReaders(soft)
	p := openIn(t, readers)
	for range 2 {
		status, err := p.PINStatus(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 7, status.Retries)
		other := readers.Service()
		c, err := other.Card(t.Context(), reader)
		require.NoError(t, err)
		release, err := c.Hold(t.Context())
		require.NoError(t, err)
		require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
			_, err := tx.Select(neighbour.AID())
			return err
		}))
		defer other.Close()
		defer release()
	}
	status, err := p.PINStatus(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 7, status.Retries)
}

// An impostor is an application that answers every command, and has an object
// under the tag of PIV's discovery object.
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
	return iso.Data(tlv(tagDiscovery, join(tlv(0x4F, fullAID...), tlv(0x5F2F, 0x48, 0))...))
}

// That an application answers is no sign that it is ours.
func TestNeighbourThatAnswersEverything(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, s := range []piv.Slot{piv.Authentication, piv.Signature} {
		app, other := softpiv.New(softpiv.Config{}), &impostor{}
		require.NoError(t, app.Put(byte(s), private, nil))
		c := card.New("test", chip{iso.New(iso.Config{}, app, other)})
		intrude := func() {
			require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
				_, err := tx.Select(other.AID())
				return err
			}))
		}
		key, err := piv.New(c).Key(t.Context(), s, private.Public(), func(context.Context, card.PINRequest) (card.PIN, error) {
			intrude()
			return card.NewPIN([]byte(cardtest.PIN)), nil
		})
		require.NoError(t, err)
		for range 2 {
			intrude()
			_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			require.NoError(t, err)
		}
		require.NoError(t, key.Close())
		assert.Zero(t, other.pins, "no PIN of ours")
		assert.Zero(t, app.Tries(0x80).Spent)
	}
}
