package drivertest_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/drivertest"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fixture returns a Fixture on software readers.
func fixture(t *testing.T, program func(*reader.Set) func() driver.Service) *drivertest.Fixture {
	const name = "Software Reader 00"
	set := reader.New(name)
	set.PowerDown = time.Minute
	return &drivertest.Fixture{
		Program: program(set),
		Reader:  name,
		Insert:  func(c *drivertest.Card) { require.NoError(t, set.Insert(name, c)) },
		Remove:  func() { require.NoError(t, set.Remove(name)) },
		Replace: func(c *drivertest.Card) { require.NoError(t, set.Replace(name, c)) },
		Exclusive: func() func() {
			c, err := set.Connect(name, reader.Mode{Exclusive: true})
			require.NoError(t, err)
			return func() { require.NoError(t, c.Close(reader.Leave)) }
		},
		Stop:  set.Stop,
		Start: set.Start,
	}
}

func TestInProcess(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) *drivertest.Fixture {
		return fixture(t, func(set *reader.Set) func() driver.Service { return set.Service })
	})
}

func TestRandomEventsInProcess(t *testing.T) {
	names := []string{"a", "b", "c"}
	set := reader.New(names...)
	s := set.Service()
	defer s.Close()
	drivertest.RandomEvents(t, s, set, names)
}

func TestGoClientOnServer(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) *drivertest.Fixture {
		dir, err := os.MkdirTemp("", "pcsc") // t.TempDir is too long for a socket
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
		path := filepath.Join(dir, "s")
		var set *reader.Set
		var stop func()
		start := func() {
			l, err := net.Listen("unix", path)
			require.NoError(t, err)
			srv, served := &server.Server{Readers: set}, make(chan error, 1)
			go func() { served <- srv.Serve(l) }()
			stop = func() {
				require.NoError(t, srv.Close())
				require.NoError(t, <-served)
			}
		}
		f := fixture(t, func(s *reader.Set) func() driver.Service {
			set = s
			return func() driver.Service { return client.New(path) }
		})
		start()
		t.Cleanup(func() { stop() })
		f.Stop = func() { set.Stop(); stop() }
		f.Start = func() { set.Start(); start() }
		return f
	})
}
