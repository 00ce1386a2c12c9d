package client_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A counter is a card that counts resets, and commands since the last one.
type counter struct {
	commands, resets atomic.Int32
	response         []byte        // to INS CB
	hang             chan struct{} // INS 02 blocks until it is closed
}

func (c *counter) ATR() []byte { return []byte{0x3B, 0x80, 0x80, 1, 1} }

func (c *counter) Reset() {
	c.commands.Store(0)
	c.resets.Add(1)
}

func (c *counter) Transmit(command []byte) []byte {
	switch command[1] {
	case 0x02:
		<-c.hang
	case 0xCB:
		return c.response
	}
	return []byte{byte(c.commands.Add(1)), 0x90, 0}
}

// socket returns a path for a unix socket. Those of t.TempDir are too long.
func socket(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pcsc")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	return filepath.Join(dir, "s")
}

// serve serves at path until stop is called.
func serve(t testing.TB, path string, s *server.Server) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return func() {
		require.NoError(t, s.Close())
		require.NoError(t, <-served)
	}
}

// open serves the readers and returns a client of them.
func open(t testing.TB, s *server.Server) driver.Service {
	t.Helper()
	path := socket(t)
	t.Cleanup(serve(t, path, s))
	c := client.New(path)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

// newSet returns a set with a card in reader R that is not powered down.
func newSet(t testing.TB) (*reader.Set, *counter) {
	t.Helper()
	set, card := reader.New("R"), new(counter)
	set.PowerDown = time.Hour
	require.NoError(t, set.Insert("R", card))
	return set, card
}

func TestReaders(t *testing.T) {
	set, card := newSet(t)
	require.NoError(t, set.Add("empty"))
	s := open(t, &server.Server{Readers: set})
	list, err := s.Readers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []driver.Reader{
		{Name: "R", Events: 1, Present: true, ATR: card.ATR()},
		{Name: "empty"},
	}, list)

	shared, err := set.Connect("R", reader.Mode{})
	require.NoError(t, err)
	list, err = s.Readers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, driver.Reader{Name: "R", Events: 1, Present: true, InUse: true, ATR: card.ATR()}, list[0])

	require.NoError(t, shared.Close(reader.Leave))
	_, err = set.Connect("R", reader.Mode{Exclusive: true})
	require.NoError(t, err)
	list, err = s.Readers(t.Context())
	require.NoError(t, err)
	assert.True(t, list[0].Exclusive)
}

func TestNoReaderIsEmptyList(t *testing.T) {
	list, err := open(t, &server.Server{Readers: reader.New()}).Readers(t.Context())
	assert.NoError(t, err)
	assert.Empty(t, list)
}

func TestMoreThan16Readers(t *testing.T) {
	set := new(reader.Set)
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("reader %d", i))
		require.NoError(t, set.Add(names[i]))
	}
	s := open(t, &server.Server{Readers: set})
	list, err := s.Readers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 20)
	for i, r := range list {
		assert.Equal(t, names[i], r.Name)
	}

	require.NoError(t, set.Insert("reader 19", new(counter)))
	list, err = s.Wait(t.Context(), list)
	require.NoError(t, err)
	assert.True(t, list[19].Present)
	k, err := s.Connect(t.Context(), "reader 19")
	require.NoError(t, err)
	_, err = k.Transmit([]byte{0, 1, 0, 0})
	assert.NoError(t, err)
	assert.NoError(t, k.Close(false))
}

func TestVersions(t *testing.T) {
	for minor := uint32(4); minor <= 6; minor++ {
		for _, strict := range []bool{true, false} {
			t.Run(fmt.Sprintf("4.%d, strict %v", minor, strict), func(t *testing.T) {
				set, _ := newSet(t)
				s := open(t, &server.Server{Readers: set, Minor: minor, Strict: strict})
				for range 2 { // the second time with the version of the first
					list, err := s.Readers(t.Context())
					require.NoError(t, err)
					k, err := s.Connect(t.Context(), "R")
					require.NoError(t, err)
					_, err = k.Transmit([]byte{0, 1, 0, 0})
					assert.NoError(t, err)
					assert.NoError(t, k.Close(false))
					go func() {
						assert.NoError(t, set.Remove("R"))
						assert.NoError(t, set.Insert("R", new(counter)))
					}()
					for list[0].Events%2 != 1 || list[0].Events == 1 {
						list, err = s.Wait(t.Context(), list)
						require.NoError(t, err)
					}
				}
			})
		}
	}
}

func TestNoService(t *testing.T) {
	path := socket(t)
	s := client.New(path)
	defer s.Close()
	_, err := s.Readers(t.Context())
	assert.ErrorIs(t, err, driver.NoService)
	assert.ErrorContains(t, err, path)
	_, err = s.Wait(t.Context(), nil)
	assert.ErrorIs(t, err, driver.NoService)
	_, err = s.Connect(t.Context(), "R")
	assert.ErrorIs(t, err, driver.NoService)

	// A killed service leaves its socket behind.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	_, err = s.Readers(t.Context())
	assert.ErrorIs(t, err, driver.NoService)
	assert.ErrorContains(t, err, "refused")
}

func TestPath(t *testing.T) {
	path := socket(t)
	t.Setenv("PCSCLITE_CSOCK_NAME", path)
	assert.Equal(t, path, client.Path())
	set, _ := newSet(t)
	defer serve(t, path, &server.Server{Readers: set})()
	s := client.New("")
	defer s.Close()
	list, err := s.Readers(t.Context())
	assert.NoError(t, err)
	assert.Len(t, list, 1)

	t.Setenv("PCSCLITE_CSOCK_NAME", "")
	assert.Contains(t, []string{"/run/pcscd/pcscd.comm", "/var/run/pcscd/pcscd.comm"}, client.Path())
}

func TestClosedService(t *testing.T) {
	set, _ := newSet(t)
	s := open(t, &server.Server{Readers: set})
	k, err := s.Connect(t.Context(), "R")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Readers(t.Context())
	assert.Equal(t, driver.InvalidHandle, err)
	_, err = s.Wait(t.Context(), nil)
	assert.Equal(t, driver.InvalidHandle, err)
	_, err = s.Connect(t.Context(), "R")
	assert.Equal(t, driver.InvalidHandle, err)

	_, err = k.Transmit([]byte{0, 1, 0, 0})
	assert.NoError(t, err, "Close of the service ends the card")
	assert.NoError(t, k.Close(false))
}

func TestEndedContext(t *testing.T) {
	set, _ := newSet(t)
	s := open(t, &server.Server{Readers: set})
	k, err := s.Connect(t.Context(), "R")
	require.NoError(t, err)
	defer k.Close(false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Readers(ctx)
	assert.Equal(t, context.Canceled, err)
	_, err = s.Wait(ctx, nil)
	assert.Equal(t, context.Canceled, err)
	_, err = s.Connect(ctx, "R")
	assert.Equal(t, context.Canceled, err)
	assert.Equal(t, context.Canceled, k.Begin(ctx))
	assert.Equal(t, context.Canceled, k.Reconnect(ctx))
	assert.NoError(t, k.Begin(t.Context()))
}

// waitGoroutines waits until there are at most as many goroutines as before.
func waitGoroutines(t *testing.T, before int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		<-tick.C
	}
	all := make([]byte, 1<<16)
	assert.Fail(t, "goroutines remain", "%s", all[:runtime.Stack(all, true)])
}

func TestCloseEndsGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	set, _ := newSet(t)
	path := socket(t)
	stop := serve(t, path, &server.Server{Readers: set})
	s := client.New(path)
	list, err := s.Readers(t.Context())
	require.NoError(t, err)
	k, err := s.Connect(t.Context(), "R")
	require.NoError(t, err)
	returned := make(chan error)
	for range 3 {
		go func() {
			_, err := s.Wait(t.Context(), list)
			returned <- err
		}()
	}
	require.NoError(t, k.Begin(t.Context()))
	require.NoError(t, k.Close(true))
	require.NoError(t, s.Close())
	for range 3 {
		assert.Contains(t, []error{driver.Cancelled, driver.InvalidHandle}, <-returned)
	}
	waitGoroutines(t, before+2) // two of Serve; sessions end with their connections
	stop()
	waitGoroutines(t, before)
}
