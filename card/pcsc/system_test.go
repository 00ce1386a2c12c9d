//go:build linux

package pcsc_test

import (
	"context"
	"net"
	"os"
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
	"github.com/stretchr/testify/require"
)

const (
	name  = "Virtual"
	first = name + " 00 00"
)

var pcscd *interop.PCSCD

func TestMain(m *testing.M) { os.Exit(interop.Main(m, &pcscd, name)) }

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
		start := func() {
			l, err := net.Listen("unix", pcscd.Socket)
			require.NoError(t, err)
			srv, served := &server.Server{Readers: set}, make(chan error, 1)
			go func() { served <- srv.Serve(l) }()
			stop = func() {
				require.NoError(t, srv.Close())
				require.NoError(t, <-served)
			}
		}
		start()
		t.Cleanup(func() { stop() })
		return &drivertest.Bench{
			Program: driverOfSystem(t),
			Reader:  first,
			Insert:  func(c *drivertest.Card) { require.NoError(t, set.Insert(first, c)) },
			Remove:  func() { require.NoError(t, set.Remove(first)) },
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
