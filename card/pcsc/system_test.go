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
	name  = "Virtual"
	first = name + " 00 00"
)

// driverOfSystem finds pcscd where the environment says.
func driverOfSystem(t *testing.T) func() driver.Service {
	t.Setenv("PCSCLITE_CSOCK_NAME", pcscd.Socket)
	return pcsc.Driver
}

// bench is one on the real pcscd.
func bench(t *testing.T, program func() driver.Service) *drivertest.Bench {
	var plug *interop.Plug
	remove := func() {
		if plug != nil {
			plug.Pull()
			plug = nil
		}
	}
	t.Cleanup(func() {
		remove()
		settle(t)
	})
	return &drivertest.Bench{
		Program: program,
		Reader:  first,
		Insert: func(c *drivertest.Card) {
			plug = pcscd.Insert(first, func(ctx context.Context, addr string) error {
				return vpcd.Dial(ctx, addr, c)
			})
		},
		Remove:    remove,
		Exclusive: exclusive(t),
		Stop:      func() { require.NoError(t, pcscd.Stop()) },
		Start:     func() { require.NoError(t, pcscd.Start()) },
	}
}

// settle waits until pcscd has noticed that the readers are empty.
func settle(t *testing.T) {
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
	drivertest.Run(t, func(t *testing.T) *drivertest.Bench { return bench(t, driverOfSystem(t)) })
}

func TestGoClientOnPCSCD(t *testing.T) {
	interop.Require(t, pcscd)
	drivertest.Run(t, func(t *testing.T) *drivertest.Bench {
		return bench(t, func() driver.Service { return client.New(pcscd.Socket) })
	})
}

// TestLibraryOnOurServer has our server in the place of pcscd.
func TestLibraryOnOurServer(t *testing.T) {
	interop.Require(t, pcscd)
	require.NoError(t, pcscd.Stop())
	t.Cleanup(func() { require.NoError(t, pcscd.Start()) })
	drivertest.Run(t, func(t *testing.T) *drivertest.Bench {
		set := reader.New(first, name+" 00 01")
		set.PowerDown = time.Minute
		var stop func()
		start := func() { stop = serve(t, set) }
		start()
		t.Cleanup(func() { stop() })
		return &drivertest.Bench{
			Program: driverOfSystem(t),
			Reader:  first,
			Insert:  func(c *drivertest.Card) { require.NoError(t, set.Insert(first, c)) },
			Remove:  func() { require.NoError(t, set.Remove(first)) },
			Replace: func(c *drivertest.Card) { require.NoError(t, set.Replace(first, c)) },
			Exclusive: func() func() {
				c, err := set.Connect(first, reader.Mode{Exclusive: true})
				require.NoError(t, err)
				return func() { require.NoError(t, c.Close(reader.Leave)) }
			},
			Stop:  func() { set.Stop(); stop() },
			Start: func() { set.Start(); start() },
		}
	})
}

// serve puts our server in the place of pcscd, which has been stopped.
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
	s := driverOfSystem(t)()
	defer s.Close()
	drivertest.RandomEvents(t, s, set, names)
}

// How long it takes from the moment a card is put in, or taken out, to the moment
// a waiting program knows: of our server, and of pcscd with a virtual reader,
// whose driver is asked every 400 ms.
func TestHowSoonEventsAreTold(t *testing.T) {
	interop.Require(t, pcscd)
	measure := func(who string, changes int, put, take func()) {
		s := client.New(pcscd.Socket)
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		known, err := s.Readers(ctx)
		require.NoError(t, err)
		var total, longest time.Duration
		for n := range changes {
			told := make(chan time.Time, 1)
			waiting := known
			go func() {
				list, err := s.Wait(ctx, waiting)
				assert.NoError(t, err)
				known = list
				told <- time.Now()
			}()
			began := time.Now()
			if n%2 == 0 {
				put()
			} else {
				take()
			}
			took := (<-told).Sub(began)
			total += took
			longest = max(longest, took)
			require.Equal(t, n%2 == 0, known[0].Present)
		}
		fmt.Printf("%s tells of a change after %v, %v at most\n", who, total/time.Duration(changes), longest)
	}

	var plug *interop.Plug
	measure("pcscd", 6, func() {
		plug = pcscd.Insert(first, func(ctx context.Context, addr string) error {
			return vpcd.Dial(ctx, addr, new(drivertest.Card))
		})
	}, func() { plug.Pull() })
	settle(t)

	require.NoError(t, pcscd.Stop())
	t.Cleanup(func() { require.NoError(t, pcscd.Start()) })
	set := reader.New(first)
	defer serve(t, set)()
	measure("our server", 1000, func() { require.NoError(t, set.Insert(first, new(drivertest.Card))) },
		func() { require.NoError(t, set.Remove(first)) })
}
