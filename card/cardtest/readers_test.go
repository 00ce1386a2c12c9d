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

func TestReadersComeAndGo(t *testing.T) {
	a, b := cardtest.PIV(), cardtest.PIV()
	r := cardtest.NewReaders(a, nil)
	defer r.Close()
	s := r.Service()
	defer s.Close()
	seen := func() (list []string) {
		readers, err := s.Readers(t.Context())
		require.NoError(t, err)
		for _, it := range readers {
			state := " empty"
			if it.Present {
				state = " card"
			}
			list = append(list, strings.TrimPrefix(it.Name, "Software ")+state)
		}
		return list
	}
	assert.Equal(t, []string{first, "Software Reader 01"}, r.Names())
	assert.Equal(t, []string{"Reader 00 card", "Reader 01 empty"}, seen())
	r.Insert("Software Reader 01", b)
	r.Remove(first)
	r.Remove(first)
	assert.Equal(t, []string{"Reader 00 empty", "Reader 01 card"}, seen())
	r.Plug("Software Another", nil)
	r.Unplug(first)
	assert.ElementsMatch(t, []string{"Reader 01 card", "Another empty"}, seen())
	assert.Equal(t, []string{"Software Reader 01", "Software Another"}, r.Names())

	for what, misuse := range map[string]func(){
		"no such reader":     func() { r.Insert(first, a) },
		"reader has a card":  func() { r.Insert("Software Reader 01", a) },
		"name is taken":      func() { r.Plug("Software Another", nil) },
		"nothing to reset":   func() { r.Reset(first) },
		"nothing to replace": func() { r.Replace("Software Another", a) },
	} {
		assert.Panics(t, misuse, what)
	}
	r.Stop()
	_, err := s.Readers(t.Context())
	assert.ErrorIs(t, err, card.ErrNoService)
	r.Start()
	assert.Len(t, seen(), 2)
}

func TestCardForgetsItsPINWhenNobodyUsesIt(t *testing.T) {
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

// socket serves readers and returns where.
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

func TestServedReadersAreTheSameReaders(t *testing.T) {
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

func TestTwentyReadersAreListed(t *testing.T) {
	cards := make([]*cardtest.Card, 20)
	for i := range cards {
		cards[i] = cardtest.PIV()
	}
	s := pcsc.Socket(socket(t, cardtest.NewReaders(cards...)), nil)
	defer s.Close()
	readers, err := s.Readers(t.Context())
	require.NoError(t, err)
	require.Len(t, readers, 20)
	for _, it := range readers {
		assert.True(t, it.Present, it.Name)
		_, err := s.Card(t.Context(), it.Name)
		assert.NoError(t, err)
	}
}

// A token exchanged for one of the same model looks the same to every program,
// whether it uses the readers in this process or over a socket.
func TestTokensOfTheSameModelLookTheSame(t *testing.T) {
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

func TestTraceMasksPINs(t *testing.T) {
	var out strings.Builder
	r := cardtest.NewReaders(cardtest.PIV(), cardtest.PIV())
	k := connect(t, r)
	r.Trace(&out)
	for _, command := range [][]byte{selectPIV, rightPIN, {0x00, 0x20}, {0x10, 0x24, 0x00, 0x80, 0x03, '1', '2', '3'}, {0x00, 0x24, 0x00, 0x80, 0x03, '4', '5', '6'}} {
		_, _ = k.Transmit(command) // half a command has no answer
	}
	r.Trace(nil)
	_, err := k.Transmit(selectPIV)
	require.NoError(t, err)
	text := out.String()
	assert.Equal(t, 1, strings.Count(text, "SELECT"))
	assert.Contains(t, text, "> 0020008008****************  VERIFY 80: PIN  ["+first+"]\n")
	for _, secret := range []string{"313233", "343536"} {
		assert.NotContains(t, text, secret)
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		assert.Regexp(t, `^[<>] `, line)
	}
}

func TestEmptyAnswersAreTraced(t *testing.T) {
	var out strings.Builder
	r := cardtest.NewReaders(cardtest.PIV())
	k := connect(t, r)
	r.Trace(&out)
	r.Fault(first, 1, cardtest.Fault{What: cardtest.Empty})
	r.Fault(first, 2, cardtest.Fault{What: cardtest.NoResponse})
	_, _ = k.Transmit(selectPIV)
	_, err := k.Transmit(selectPIV)
	assert.ErrorIs(t, err, driver.NotTransacted)
	assert.Contains(t, out.String(), "<  no status word\n")
	assert.Contains(t, out.String(), "<  "+err.Error()+"\n")
}
