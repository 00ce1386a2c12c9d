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

// Between transactions another program selects an application that has its own PIN
// under the same instruction and reference. No try is lost on either.
func TestNeighbor(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, test := range []struct {
		name    string
		options []cardtest.Option
	}{
		{"plain", nil},
		{"no discovery object", []cardtest.Option{cardtest.PIVNoDiscovery}},
		{"SELECT clears the PIN", []cardtest.Option{cardtest.PIVSelectClears}},
		{"PIV selected after a reset", []cardtest.Option{cardtest.Implicit}},
		{"no logout", []cardtest.Option{cardtest.NoLogout}},
	} {
		for _, s := range []piv.Slot{piv.Authentication, piv.Signature, piv.CardAuthentication} {
			t.Run(test.name+", "+s.String(), func(t *testing.T) {
				neighbor := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "99999999")
				soft := cardtest.PIV(append(test.options, neighbor)...).Put(container(s), private, nil)
				readers := cardtest.NewReaders(soft)
				other := readers.Service()
				defer other.Close()
				selectNeighbor := func() {
					c, err := other.Card(t.Context(), reader)
					require.NoError(t, err)
					require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
						_, err := tx.Select(neighbor.AID())
						return err
					}))
				}
				p := openIn(t, readers)
				_, err := p.PINStatus(t.Context())
				require.NoError(t, err)
				selectNeighbor()
				key, err := p.Key(t.Context(), s, private.Public(), func(context.Context, card.PINRequest) (card.PIN, error) {
					selectNeighbor() // while the user enters the PIN
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
				_, err = p.PINStatus(t.Context())
				require.NoError(t, err)

				assert.Equal(t, 3, neighbor.RetriesLeft())
				assert.Zero(t, neighbor.Spent())
				assert.Equal(t, 3, soft.RetriesLeft())
				assert.Zero(t, soft.Spent())
				assert.False(t, soft.Verified())
			})
		}
	}
}

// The retry counter of a neighbor is not taken for that of PIV.
func TestPINStatusBesideNeighbor(t *testing.T) {
	neighbor := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "99999999")
	soft := cardtest.PIV(neighbor, cardtest.MaxRetries(7))
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
			_, err := tx.Select(neighbor.AID())
			return err
		}))
		defer other.Close()
		defer release()
	}
	status, err := p.PINStatus(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 7, status.Retries)
}

// An acceptor is an application that accepts every command and has an object under the
// tag of PIV's discovery object.
type acceptor struct{ pins int }

func (*acceptor) AID() []byte                     { return []byte{0xF0, 1, 2, 3, 4, 5} }
func (*acceptor) Select(iso.Command) iso.Response { return iso.Data(nil) }
func (*acceptor) Chains(byte) bool                { return true }
func (*acceptor) Deselect()                       {}
func (*acceptor) Reset()                          {}

func (i *acceptor) Process(c iso.Command) iso.Response {
	if c.INS == 0x20 && len(c.Data) > 0 {
		i.pins++
	}
	return iso.Data(tlv(tagDiscovery, join(tlv(0x4F, fullAID...), tlv(0x5F2F, 0x48, 0))...))
}

// No PIN is sent to an application that accepts every command.
func TestNeighborThatAcceptsEverything(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, s := range []piv.Slot{piv.Authentication, piv.Signature} {
		app, other := softpiv.New(softpiv.Config{}), &acceptor{}
		require.NoError(t, app.Put(byte(s), private, nil))
		c := card.New("test", chip{iso.New(iso.Config{}, app, other)})
		selectNeighbor := func() {
			require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
				_, err := tx.Select(other.AID())
				return err
			}))
		}
		key, err := piv.New(c).Key(t.Context(), s, private.Public(), func(context.Context, card.PINRequest) (card.PIN, error) {
			selectNeighbor()
			return card.NewPIN([]byte(cardtest.PIN)), nil
		})
		require.NoError(t, err)
		for range 2 {
			selectNeighbor()
			_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			require.NoError(t, err)
		}
		require.NoError(t, key.Close())
		assert.Zero(t, other.pins)
		assert.Zero(t, app.Tries(0x80).Spent)
	}
}
