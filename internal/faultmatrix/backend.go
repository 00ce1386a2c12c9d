package faultmatrix

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/stretchr/testify/require"
)

// A Backend is a way to software cards. It makes a bench for one case.
type Backend func(*testing.T, *cardtest.Card) *Bench

// A Bench is one reader with one card in it, and what can go wrong there.
type Bench struct {
	Reader string

	// Driver is a program's way to the reader.
	Driver func() driver.Service

	// Fail lets the n-th command from now on fail.
	Fail func(n int, f cardtest.Fault)

	// At calls f while the n-th command from now on is under way.
	At func(n int, f func())

	// Restore puts back what a fault took: the card, the service.
	Restore func()

	// Close frees the bench.
	Close func()
}

// onReaders is a bench on software readers, to which programs come by open.
func onReaders(t *testing.T, readers *cardtest.Readers, soft *cardtest.Card, open func() driver.Service) *Bench {
	name := readers.Names()[0]
	readers.PowerDown(time.Hour) // or a PIN that is left verified would not show
	return &Bench{
		Reader: name,
		Driver: open,
		Fail:   func(n int, f cardtest.Fault) { readers.Fault(name, n, f) },
		At:     func(n int, f func()) { readers.Trace(&bellWriter{n: int32(n), ring: f}) },
		Restore: func() {
			readers.Trace(nil)
			readers.Fault(name, 0, cardtest.Fault{})
			readers.Start()
			d := readers.Driver()
			defer d.Close()
			list, err := d.Readers(t.Context())
			require.NoError(t, err)
			if !list[0].Present {
				readers.Insert(name, soft)
			}
		},
		Close: func() { require.NoError(t, readers.Close()) },
	}
}

// A bellWriter is the writer of a trace, and rings at the n-th command.
type bellWriter struct {
	n    int32
	seen atomic.Int32
	ring func()
}

func (w *bellWriter) Write(line []byte) (int, error) {
	if strings.HasPrefix(string(line), ">") && w.seen.Add(1) == w.n {
		w.ring()
	}
	return len(line), nil
}

var _ io.Writer = (*bellWriter)(nil)

// InProcess is the driver of package cardtest.
func InProcess(t *testing.T, soft *cardtest.Card) *Bench {
	readers := cardtest.NewReaders(soft)
	return onReaders(t, readers, soft, readers.Driver)
}

// Socket is the client in Go, and the server of package cardtest.
func Socket(t *testing.T, soft *cardtest.Card) *Bench {
	path := filepath.Join(t.TempDir(), "s")
	return Serve(t, soft, path, func() driver.Service { return client.New(path) })
}

// Serve is the server of package cardtest on a socket, and whatever client open
// makes.
func Serve(t *testing.T, soft *cardtest.Card, path string, open func() driver.Service) *Bench {
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	readers := cardtest.NewReaders(soft)
	served := make(chan error, 1)
	go func() { served <- readers.Serve(l) }()
	b := onReaders(t, readers, soft, open)
	stop := b.Close
	b.Close = func() {
		stop()
		require.NoError(t, <-served)
	}
	return b
}

// service is a program's service on the bench, which waits so long for others.
func (b *Bench) service(patience time.Duration) *card.Service {
	return card.NewService(b.Driver(), &card.Options{BusyTimeout: patience})
}

const (
	impatient = 50 * time.Millisecond // a card that is said to be busy stays so
	patient   = 5 * time.Second       // the server learns of the end of a program when it reads it
)

// free reports whether another program gets at the card at once.
func (b *Bench) free(ctx context.Context) error {
	s := b.service(patient)
	defer s.Close()
	c, err := s.Card(ctx, b.Reader)
	if err != nil {
		return err
	}
	return c.Do(ctx, func(*card.Tx) error { return nil })
}
