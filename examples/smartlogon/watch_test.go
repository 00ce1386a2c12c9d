package main

import (
	"bufio"
	"context"
	"io"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startWatch runs the command. It returns a function that reads the next line of output,
// and one that interrupts the program.
func startWatch(t *testing.T, readers *cardtest.Readers, args ...string) (next func() string, interrupt func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		env := &cli.Env{Stdout: w, Service: readers.Service}
		done <- newWatch(env).Execute(ctx, args)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	next = func() string {
		require.True(t, lines.Scan())
		return lines.Text()
	}
	return next, func() {
		cancel()
		assert.False(t, lines.Scan(), "%q", lines.Text())
		assert.NoError(t, <-done)
	}
}

// A USB device chooses the name of its reader.
func TestWatchIsEscaped(t *testing.T) {
	readers := cardtest.NewReaders()
	readers.Plug("\x1b[2J", nil)
	defer readers.Close()
	next, interrupt := startWatch(t, readers, "-readers")
	assert.Equal(t, `"\x1b[2J": reader added`, next())
	interrupt()
	readers.Insert("\x1b[2J", cardtest.TPM().Put("kxc00", nil, certificate(t)))
	next, interrupt = startWatch(t, readers)
	line := next()
	assert.Contains(t, line, `in "\x1b[2J"`)
	assert.NotContains(t, line, "\x1b")
	interrupt()
}

func certificate(t *testing.T) []byte {
	t.Helper()
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice\x1b[2J@example.com"}})
	return der
}

const first, second = "Software Reader 00", "Software Reader 01"

func TestWatchCredentialsInsertedAndRemoved(t *testing.T) {
	alice := cardtest.Logon("alice@example.com")
	readers := cardtest.NewReaders(alice, nil)
	defer readers.Close()
	next, interrupt := startWatch(t, readers)
	assert.Equal(t, `+ "alice@example.com" in "Software Reader 00", PIV 9A`, next())
	readers.Remove(first)
	assert.Equal(t, `- "alice@example.com" in "Software Reader 00", PIV 9A`, next())

	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"bob@example.com"}, EKUs: []string{"1.3.6.1.5.5.7.3.4"}})
	readers.Insert(second, cardtest.PIV().Put("9D", key, certificate))
	assert.Equal(t, `+ "bob@example.com" in "Software Reader 01", PIV 9D (not offered by Windows)`, next())
	readers.Stop()
	assert.Equal(t, `- "bob@example.com" in "Software Reader 01", PIV 9D (not offered by Windows)`, next())
	assert.Contains(t, next(), "! enumerate: card: watch readers: smart card service is not running")
	assert.Equal(t, "  "+card.Hint(card.ErrNoService), next())
	readers.Start()
	assert.Contains(t, next(), `+ "bob@example.com"`)
	interrupt()
	assert.Zero(t, alice.Writes())
}

func TestWatchReadersAndCardsInsertedAndRemoved(t *testing.T) {
	c := cardtest.Logon("alice@example.com", cardtest.ATR([]byte{0x3B, 0x80, 0x01, 0x81}))
	readers := cardtest.NewReaders(c)
	defer readers.Close()
	next, interrupt := startWatch(t, readers, "-readers")
	assert.Equal(t, `"Software Reader 00": reader added`, next())
	assert.Equal(t, `"Software Reader 00": card inserted, ATR 3B800181`, next())
	readers.Remove(first)
	assert.Equal(t, `"Software Reader 00": card removed, ATR 3B800181`, next())
	readers.Plug("Another", nil)
	assert.Equal(t, `"Another": reader added`, next())
	readers.Unplug("Another")
	assert.Equal(t, `"Another": reader removed`, next())
	readers.Insert(first, cardtest.PIV(cardtest.ATR([]byte{0})))
	assert.Equal(t, `"Software Reader 00": card inserted, but it does not respond`, next())
	interrupt()
}

func TestWatchJSON(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.Logon("alice@example.com"))
	defer readers.Close()
	next, interrupt := startWatch(t, readers, "-json")
	assert.JSONEq(t, `{"change":"added","reader":"Software Reader 00","title":"alice@example.com","application":"PIV","container":"9A","offered":true}`, next())
	readers.Remove(first)
	assert.JSONEq(t, `{"change":"removed","reader":"Software Reader 00","title":"alice@example.com","application":"PIV","container":"9A","offered":true}`, next())
	readers.Stop()
	fault := decodeLines[change](t, next())[0]
	assert.Equal(t, "fault", fault.Change)
	assert.Equal(t, card.Hint(card.ErrNoService), fault.Remedy)
	interrupt()

	readers.Start()
	next, interrupt = startWatch(t, readers, "-json", "-readers")
	assert.JSONEq(t, `{"change":"reader added","reader":"Software Reader 00"}`, next())
	interrupt()
}
