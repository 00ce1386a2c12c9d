package cardtest_test

import (
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
	r.Add("Software Another")
	r.Unplug(first)
	assert.ElementsMatch(t, []string{"Reader 01 card", "Another empty"}, seen())
	assert.Equal(t, []string{"Software Reader 01", "Software Another"}, r.Names())

	for what, misuse := range map[string]func(){
		"no such reader":    func() { r.Insert(first, a) },
		"reader has a card": func() { r.Insert("Software Reader 01", a) },
		"name is taken":     func() { r.Add("Software Another") },
		"nothing to reset":  func() { r.Reset(first) },
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
