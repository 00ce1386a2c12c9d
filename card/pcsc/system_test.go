//go:build linux

package pcsc_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/internal/drivertest"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/smartlogon/smartlogon/internal/vpcd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	name       = "Virtual"
	readerName = name + " 00 00"
)

// systemDriver returns the backend of System on the socket of pcscd.
func systemDriver(t *testing.T) func() driver.Service {
	t.Setenv("PCSCLITE_CSOCK_NAME", pcscd.Socket)
	return pcsc.Driver
}

// newFixture returns a fixture on the real pcscd.
func newFixture(t *testing.T, program func() driver.Service) *drivertest.Fixture {
	var plug *interop.Plug
	remove := func() {
		if plug != nil {
			plug.Pull()
			plug = nil
		}
	}
	t.Cleanup(func() {
		remove()
		waitEmpty(t)
	})
	return &drivertest.Fixture{
		Program: program,
		Reader:  readerName,
		Insert: func(c *drivertest.Card) {
			plug = pcscd.Insert(readerName, func(ctx context.Context, addr string) error {
				return vpcd.Dial(ctx, addr, c)
			})
		},
		Remove:    remove,
		Exclusive: exclusive(t),
		Stop:      func() { require.NoError(t, pcscd.Stop()) },
		Start:     func() { require.NoError(t, pcscd.Start()) },
	}
}

// waitEmpty waits until pcscd reports the readers as empty.
func waitEmpty(t *testing.T) {
	s := client.New(pcscd.Socket)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	list, err := s.Readers(ctx)
	for err == nil && (len(list) != 2 || list[0].Present || list[1].Present) {
		list, err = s.Wait(ctx, list)
	}
	require.NoError(t, err)
}

func TestLibraryOnPCSCD(t *testing.T) {
	interop.Require(t, pcscd)
	drivertest.Run(t, func(t *testing.T) *drivertest.Fixture { return newFixture(t, systemDriver(t)) })
}

func TestGoClientOnPCSCD(t *testing.T) {
	interop.Require(t, pcscd)
	drivertest.Run(t, func(t *testing.T) *drivertest.Fixture {
		return newFixture(t, func() driver.Service { return client.New(pcscd.Socket) })
	})
}

// TestLibraryOnOurServer replaces pcscd by our server.
func TestLibraryOnOurServer(t *testing.T) {
	interop.Require(t, pcscd)
	require.NoError(t, pcscd.Stop())
	t.Cleanup(func() { require.NoError(t, pcscd.Start()) })
	drivertest.Run(t, func(t *testing.T) *drivertest.Fixture {
		set := reader.New(readerName, name+" 00 01")
		set.PowerDown = time.Minute
		var stop func()
		start := func() { stop = serve(t, set) }
		start()
		t.Cleanup(func() { stop() })
		return &drivertest.Fixture{
			Program: systemDriver(t),
			Reader:  readerName,
			Insert:  func(c *drivertest.Card) { require.NoError(t, set.Insert(readerName, c)) },
			Remove:  func() { require.NoError(t, set.Remove(readerName)) },
			Replace: func(c *drivertest.Card) { require.NoError(t, set.Replace(readerName, c)) },
			Exclusive: func() func() {
				c, err := set.Connect(readerName, reader.Mode{Exclusive: true})
				require.NoError(t, err)
				return func() { require.NoError(t, c.Close(reader.Leave)) }
			},
			Stop:  func() { set.Stop(); stop() },
			Start: func() { set.Start(); start() },
		}
	})
}

// serve starts our server on the socket of pcscd, which has been stopped.
func serve(t testing.TB, set *reader.Set) (stop func()) {
	l, err := net.Listen("unix", pcscd.Socket)
	require.NoError(t, err)
	srv, served := &server.Server{Readers: set}, make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	return func() {
		require.NoError(t, srv.Close())
		require.NoError(t, <-served)
	}
}

func TestLibraryLosesNoEvent(t *testing.T) {
	interop.Require(t, pcscd)
	require.NoError(t, pcscd.Stop())
	t.Cleanup(func() { require.NoError(t, pcscd.Start()) })
	names := []string{"a", "b", "c"}
	set := reader.New(names...)
	defer serve(t, set)()
	s := systemDriver(t)()
	defer s.Close()
	drivertest.RandomEvents(t, s, set, names)
}

// TestEventLatency prints the time from an insertion or removal to the return of
// Wait, on our server and on pcscd, which polls a virtual reader every 400 ms.
func TestEventLatency(t *testing.T) {
	interop.Require(t, pcscd)
	measure := func(server string, changes int, insert, remove func()) {
		s := client.New(pcscd.Socket)
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		list, err := s.Readers(ctx)
		require.NoError(t, err)
		var total, longest time.Duration
		for n := range changes {
			returned := make(chan time.Time, 1)
			last := list
			go func() {
				now, err := s.Wait(ctx, last)
				assert.NoError(t, err)
				list = now
				returned <- time.Now()
			}()
			start := time.Now()
			if n%2 == 0 {
				insert()
			} else {
				remove()
			}
			latency := (<-returned).Sub(start)
			total += latency
			longest = max(longest, latency)
			require.Equal(t, n%2 == 0, list[0].Present)
		}
		fmt.Printf("%s reports a change after %v, %v at most\n", server, total/time.Duration(changes), longest)
	}

	var plug *interop.Plug
	measure("pcscd", 6, func() {
		plug = pcscd.Insert(readerName, func(ctx context.Context, addr string) error {
			return vpcd.Dial(ctx, addr, new(drivertest.Card))
		})
	}, func() { plug.Pull() })
	waitEmpty(t)

	require.NoError(t, pcscd.Stop())
	t.Cleanup(func() { require.NoError(t, pcscd.Start()) })
	set := reader.New(readerName)
	defer serve(t, set)()
	measure("our server", 1000, func() { require.NoError(t, set.Insert(readerName, new(drivertest.Card))) },
		func() { require.NoError(t, set.Remove(readerName)) })
}
