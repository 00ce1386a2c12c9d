package cardtest_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/smartlogon/smartlogon/piv"
)

func TestReaders(t *testing.T) {
	a, b := cardtest.PIV(), cardtest.PIV()
	r := cardtest.NewReaders(a, nil)
	defer r.Close()
	s := r.Service()
	defer s.Close()
	states := func() (list []string) {
		readers, err := s.Readers(t.Context())
		require.NoError(t, err)
		for _, r := range readers {
			state := " empty"
			if r.Present {
				state = " card"
			}
			list = append(list, strings.TrimPrefix(r.Name, "Software ")+state)
		}
		return list
	}
	assert.Equal(t, []string{first, "Software Reader 01"}, r.Names())
	assert.Equal(t, []string{"Reader 00 card", "Reader 01 empty"}, states())
	r.Insert("Software Reader 01", b)
	r.Remove(first)
	r.Remove(first)
	assert.Equal(t, []string{"Reader 00 empty", "Reader 01 card"}, states())
	r.Plug("Software Another", nil)
	r.Unplug(first)
	assert.ElementsMatch(t, []string{"Reader 01 card", "Another empty"}, states())
	assert.Equal(t, []string{"Software Reader 01", "Software Another"}, r.Names())

	for name, f := range map[string]func(){
		"missing reader":     func() { r.Insert(first, a) },
		"reader with a card": func() { r.Insert("Software Reader 01", a) },
		"name in use":        func() { r.Plug("Software Another", nil) },
		"nothing to reset":   func() { r.Reset(first) },
		"nothing to replace": func() { r.Replace("Software Another", a) },
	} {
		assert.Panics(t, f, name)
	}
	r.Stop()
	_, err := s.Readers(t.Context())
	assert.ErrorIs(t, err, card.ErrNoService)
	r.Start()
	assert.Len(t, states(), 2)
}

func TestPowerDown(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		c := cardtest.PIV()
		r := cardtest.NewReaders(c)
		if keeps {
			r.PowerDown(time.Hour)
		}
		s := r.Driver()
		k, err := s.Connect(t.Context(), first)
		require.NoError(t, err)
		for _, command := range [][]byte{selectPIV, rightPIN} {
			_, err = k.Transmit(command)
			require.NoError(t, err)
		}
		assert.True(t, c.Verified())
		require.NoError(t, k.Close(false))
		assert.Equal(t, keeps, c.Verified())
		require.NoError(t, s.Close())
		require.NoError(t, r.Close())
	}
}

// socket serves the readers and returns the path of the socket.
func socket(t *testing.T, r *cardtest.Readers) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cardtest") // t.TempDir() is too long for a socket on some systems
	require.NoError(t, err)
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		assert.NoError(t, r.Close())
		assert.NoError(t, <-served)
		assert.NoError(t, os.RemoveAll(dir))
	})
	return path
}

func TestServe(t *testing.T) {
	c := cardtest.Logon("alice@example.com")
	r := cardtest.NewReaders(c)
	s := pcsc.Socket(socket(t, r), nil)
	defer s.Close()
	k, err := s.Card(t.Context(), first)
	require.NoError(t, err)
	certificate, err := piv.New(k).Certificate(t.Context(), piv.Authentication)
	require.NoError(t, err)
	assert.Contains(t, string(certificate.Raw), "alice@example.com")
	assert.NotZero(t, c.Exchanges().Commands)
}

func TestServeTwentyReaders(t *testing.T) {
	cards := make([]*cardtest.Card, 20)
	for i := range cards {
		cards[i] = cardtest.PIV()
	}
	s := pcsc.Socket(socket(t, cardtest.NewReaders(cards...)), nil)
	defer s.Close()
	readers, err := s.Readers(t.Context())
	require.NoError(t, err)
	require.Len(t, readers, 20)
	for _, r := range readers {
		assert.True(t, r.Present, r.Name)
		_, err := s.Card(t.Context(), r.Name)
		assert.NoError(t, err)
	}
}

// After the exchange of a token for one of the same model, name, ATR and event count
// are equal, in this process and over a socket.
func TestExchangeOfTokens(t *testing.T) {
	const name = "Yubico YubiKey OTP+FIDO+CCID 00 00"
	exchanges := map[string]func(*cardtest.Readers, *cardtest.Card){
		"unplugged and plugged in": func(r *cardtest.Readers, c *cardtest.Card) {
			r.Unplug(name)
			r.Plug(name, c)
		},
		"replaced": func(r *cardtest.Readers, c *cardtest.Card) { r.Replace(name, c) },
		"replaced by a fault": func(r *cardtest.Readers, c *cardtest.Card) {
			r.Fault(name, 1, cardtest.Fault{What: cardtest.Replacement, Card: c})
		},
	}
	for how, exchange := range exchanges {
		for _, overSocket := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, over a socket %v", how, overSocket), func(t *testing.T) {
				first, second := cardtest.YubiKey("5.7.1"), cardtest.YubiKey("5.7.1")
				r := cardtest.NewReaders()
				defer r.Close()
				r.Plug(name, first)
				s := r.Driver()
				if overSocket {
					s = client.New(socket(t, r))
				}
				defer s.Close()

				before, err := s.Readers(t.Context())
				require.NoError(t, err)
				assert.Equal(t, []driver.Reader{{Name: name, Present: true, ATR: first.ATR()}}, before)
				old, err := s.Connect(t.Context(), name)
				require.NoError(t, err)
				defer old.Close(false)
				exchange(r, second)
				for range 2 {
					_, err = old.Transmit(selectPIV)
					assert.ErrorIs(t, err, driver.ReaderUnavailable)
				}
				assert.ErrorIs(t, old.Begin(t.Context()), driver.ReaderUnavailable)
				assert.ErrorIs(t, old.Reconnect(t.Context()), driver.ReaderUnavailable)

				now, err := s.Readers(t.Context())
				require.NoError(t, err)
				assert.True(t, driver.SameCards(before, now), "%+v", now)
				k, err := s.Connect(t.Context(), name)
				require.NoError(t, err)
				defer k.Close(false)
				_, err = k.Transmit(selectPIV)
				require.NoError(t, err)
				assert.Equal(t, []int{0, 1}, []int{first.Exchanges().Commands, second.Exchanges().Commands})
				assert.Equal(t, []string{name}, r.Names())
			})
		}
	}
}
