package faultmatrix

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/stretchr/testify/require"
)

// A Backend makes the fixture of one case.
type Backend func(*testing.T, *cardtest.Card) *Fixture

// A Fixture is one reader with one card in it.
type Fixture struct {
	Reader string

	// Driver returns a new program's driver.
	Driver func() driver.Service

	// Fail makes the n-th command from now on fail.
	Fail func(n int, f cardtest.Fault)

	// At calls f during the n-th command from now on.
	At func(n int, f func())

	// Restore puts the card back into the reader and starts a stopped service. Faults
	// that
	// have not happened yet are canceled.
	Restore func()

	// Close frees the fixture.
	Close func()
}

// newFixture returns a fixture on software readers. Programs get their drivers
// from open.
func newFixture(t *testing.T, readers *cardtest.Readers, soft *cardtest.Card, open func() driver.Service) *Fixture {
	name := readers.Names()[0]
	readers.PowerDown(time.Hour) // a card without power would not show that its PIN was left verified
	return &Fixture{
		Reader: name,
		Driver: open,
		Fail:   func(n int, f cardtest.Fault) { readers.Fault(name, n, f) },
		At: func(n int, f func()) {
			var commands atomic.Int32
			readers.OnCommand(func(string, []byte) {
				if int(commands.Add(1)) == n {
					f()
				}
			})
		},
		Restore: func() {
			readers.OnCommand(nil)
			readers.Fault(name, 0, cardtest.Fault{})
			readers.Start()
			d := readers.Driver()
			defer d.Close()
			list, err := d.Readers(t.Context())
			require.NoError(t, err)
			if list[0].Present {
				readers.Replace(name, soft)
			} else {
				readers.Insert(name, soft)
			}
		},
		Close: func() { require.NoError(t, readers.Close()) },
	}
}

// InProcess uses the driver of package cardtest.
func InProcess(t *testing.T, soft *cardtest.Card) *Fixture {
	readers := cardtest.NewReaders(soft)
	return newFixture(t, readers, soft, readers.Driver)
}

// Socket uses the client in Go and the server of package cardtest.
func Socket(t *testing.T, soft *cardtest.Card) *Fixture {
	path := filepath.Join(t.TempDir(), "s")
	return Serve(t, soft, path, func() driver.Service { return client.New(path) })
}

// Serve uses the server of package cardtest on a socket and the clients that open
// returns.
func Serve(t *testing.T, soft *cardtest.Card, path string, open func() driver.Service) *Fixture {
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	readers := cardtest.NewReaders(soft)
	served := make(chan error, 1)
	go func() { served <- readers.Serve(l) }()
	f := newFixture(t, readers, soft, open)
	closeReaders := f.Close
	f.Close = func() {
		closeReaders()
		require.NoError(t, <-served)
	}
	return f
}

// service returns a new program's service.
func (f *Fixture) service(busyTimeout time.Duration) *card.Service {
	return card.NewService(f.Driver(), &card.Options{BusyTimeout: busyTimeout})
}

const (
	shortBusyTimeout = 50 * time.Millisecond // for a card that stays busy
	longBusyTimeout  = 5 * time.Second       // the server may notice late that a program is gone
)

// checkFree returns an error if another program cannot begin a transaction.
func (f *Fixture) checkFree(ctx context.Context) error {
	s := f.service(longBusyTimeout)
	defer s.Close()
	c, err := s.Card(ctx, f.Reader)
	if err != nil {
		return err
	}
	return c.Do(ctx, func(*card.Tx) error { return nil })
}
