package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A Bench is a service with one reader, empty at first, and the hands that put
// cards into it.
type Bench struct {
	// Program opens the service as a program of its own would.
	Program func() driver.Service

	// Reader is the name of the reader.
	Reader string

	// Insert puts a card in, Remove takes it out. The service may notice later.
	Insert func(*Card)
	Remove func()

	// Replace exchanges the reader and its card for another of the same name,
	// with equal ATR and event count. Nil where that cannot be.
	Replace func(*Card)

	// Exclusive connects another program that lets nobody else have the card,
	// until release is called. Nil where there is none.
	Exclusive func() (release func())

	// Stop ends the service as if its process had died, Start brings it back.
	// Nil where that cannot be.
	Stop, Start func()
}

// soon is when a test gives up.
const soon = 15 * time.Second

// bench is a Bench in one test.
type bench struct {
	*testing.T
	*Bench
	ctx context.Context
}

func (b bench) program() driver.Service {
	b.Helper()
	s := b.Program()
	b.Cleanup(func() { assert.NoError(b, s.Close()) })
	return s
}

// state is that of the reader.
func (b bench) state(s driver.Service) driver.Reader {
	b.Helper()
	list, err := s.Readers(b.ctx)
	require.NoError(b, err)
	return b.pick(list)
}

func (b bench) pick(list []driver.Reader) driver.Reader {
	b.Helper()
	for _, r := range list {
		if r.Name == b.Reader {
			return r
		}
	}
	require.Fail(b, "reader is not listed", "%q in %+v", b.Reader, list)
	return driver.Reader{}
}

// until waits for a state of the reader.
func (b bench) until(s driver.Service, want func(driver.Reader) bool) driver.Reader {
	b.Helper()
	list, err := s.Readers(b.ctx)
	require.NoError(b, err)
	for !want(b.pick(list)) {
		list, err = s.Wait(b.ctx, list)
		require.NoError(b, err)
	}
	return b.pick(list)
}

func present(r driver.Reader) bool { return r.Present && r.ATR != nil }
func absent(r driver.Reader) bool  { return !r.Present }

// insert puts a card in and waits until the service has noticed.
func (b bench) insert(s driver.Service, c *Card) {
	b.Helper()
	b.Insert(c)
	b.until(s, present)
}

func (b bench) remove(s driver.Service) {
	b.Helper()
	b.Remove()
	b.until(s, absent)
}

func (b bench) connect(s driver.Service) driver.Card {
	b.Helper()
	k, err := s.Connect(b.ctx, b.Reader)
	require.NoError(b, err)
	b.Cleanup(func() { assert.NoError(b, k.Close(false)) })
	return k
}

// count sends a command and returns how many there were since the last reset.
func count(k driver.Card) (int, error) {
	answer, err := k.Transmit([]byte{0, insCount, 0, 0})
	if err != nil {
		return 0, err
	}
	return int(answer[0]), nil
}

func (b bench) counts(k driver.Card, want int) {
	b.Helper()
	n, err := count(k)
	require.NoError(b, err)
	assert.Equal(b, want, n)
}

// still runs what must not end yet, and returns a channel with how it ends.
func (b bench) still(what func() error) <-chan error {
	b.Helper()
	ended := make(chan error, 1)
	go func() { ended <- what() }()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Millisecond)
	defer cancel()
	select {
	case err := <-ended:
		require.Fail(b, "it did not wait", "%v", err)
	case <-ctx.Done():
	}
	return ended
}

// end is how it ended, if it does.
func (b bench) end(ended <-chan error) error {
	b.Helper()
	select {
	case err := <-ended:
		return err
	case <-b.ctx.Done():
		require.Fail(b, "it goes on")
		return nil
	}
}
