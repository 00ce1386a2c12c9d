package piv_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/internal/part10"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A PIN is entered on the keypad of the reader, in process and through the protocol
// of pcscd.
func TestPINPad(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *cardtest.Readers) *card.Service{
		"in process": func(_ *testing.T, r *cardtest.Readers) *card.Service { return r.Service() },
		"on a socket": func(t *testing.T, r *cardtest.Readers) *card.Service {
			dir, err := os.MkdirTemp("", "pad")
			require.NoError(t, err)
			l, err := net.Listen("unix", filepath.Join(dir, "s"))
			require.NoError(t, err)
			served := make(chan error, 1)
			go func() { served <- r.Serve(l) }()
			t.Cleanup(func() {
				assert.NoError(t, r.Close())
				assert.NoError(t, <-served)
				assert.NoError(t, os.RemoveAll(dir))
			})
			return pcsc.Socket(l.Addr().String(), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			signer := cardtest.Key(cardtest.P256, 0)
			soft := cardtest.PIV().Put("9A", signer, nil)
			readers := cardtest.NewReaders(soft)
			defer readers.Close()
			keys := [][]string{{"999999"}, nil, {cardtest.PIN}, {cardtest.PIN, "654321"}, {"654321"}}
			readers.Pad("Software Reader 00", func() []string {
				typed := keys[0]
				keys = keys[1:]
				return typed
			})
			s := open(t, readers)
			defer s.Close()
			c, err := s.Card(t.Context(), "Software Reader 00")
			require.NoError(t, err)
			p := piv.New(c)
			onPad := func(_ context.Context, r card.PINRequest) (card.PIN, error) {
				assert.True(t, r.Pad)
				return card.PIN{}, r.Refused // zero: the user enters it on the reader
			}
			_, err = p.Key(t.Context(), piv.Authentication, signer.Public(), onPad)
			assert.ErrorIs(t, err, card.ErrWrongPIN)
			assert.Equal(t, 1, soft.Spent())
			_, err = p.Key(t.Context(), piv.Authentication, signer.Public(), onPad)
			assert.ErrorIs(t, err, card.Status(0x6401), "canceled")
			assert.Equal(t, 1, soft.Spent())
			key, err := p.Key(t.Context(), piv.Authentication, signer.Public(), onPad)
			require.NoError(t, err)
			require.NoError(t, key.Close())
			require.NoError(t, p.Holder().ChangePIN(t.Context(), onPad))
			key, err = p.Key(t.Context(), piv.Authentication, signer.Public(), onPad)
			require.NoError(t, err)
			require.NoError(t, key.Close())
			assert.Empty(t, keys)
		})
	}
}

func TestReaderWithoutPad(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.PIV())
	defer readers.Close()
	s := readers.Driver()
	defer s.Close()
	k, err := s.Connect(t.Context(), "Software Reader 00")
	require.NoError(t, err)
	defer k.Close(false)
	control := k.(driver.Controller)
	features, _ := control.Control(driver.FeatureRequest, nil)
	assert.NotContains(t, part10.ParseFeatures(features), part10.VerifyPIN)
	_, err = control.Control(0x42000DB2, []byte{1})
	assert.ErrorIs(t, err, driver.UnsupportedFeature)
	readers.Pad("Software Reader 00", func() []string { return []string{"123456789"} })
	for _, order := range [][]byte{nil, {1, 2, 3}, make([]byte, 30)} {
		_, err = control.Control(0x42000DB2, order)
		assert.ErrorIs(t, err, driver.InvalidParameter)
	}
}
