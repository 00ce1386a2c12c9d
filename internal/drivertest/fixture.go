package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A Fixture is a service with one reader, empty at first, and the functions that
// change what is in it.
type Fixture struct {
	// Program opens the service as another program would.
	Program func() driver.Service

	// Reader is the name of the reader.
	Reader string

	// Insert inserts a card, Remove removes it. The service may notice later.
	Insert func(*Card)
	Remove func()

	// Replace exchanges the reader and its card for another of the same name,
	// with equal ATR and event count. Nil if the service cannot do that.
	Replace func(*Card)

	// Exclusive connects another program exclusively until release is called. Nil
	// if the service cannot do that.
	Exclusive func() (release func())

	// Stop stops the service as if its process had been killed, Start starts it again.
	// Nil if the service cannot do that.
	Stop, Start func()
}

// timeout limits each test.
const timeout = 15 * time.Second

// A test is one test on a Fixture. Its methods fail the test.
type test struct {
	*testing.T
	*Fixture
	ctx context.Context
}

// program opens a program of its own until the end of the test.
func (t test) program() driver.Service {
	t.Helper()
	s := t.Program()
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// state returns the state of the reader.
func (t test) state(s driver.Service) driver.Reader {
	t.Helper()
	list, err := s.Readers(t.ctx)
	require.NoError(t, err)
	return t.pick(list)
}

// pick returns the reader from a list.
func (t test) pick(list []driver.Reader) driver.Reader {
	t.Helper()
	for _, r := range list {
		if r.Name == t.Reader {
			return r
		}
	}
	require.Fail(t, "reader is not listed", "%q in %+v", t.Reader, list)
	return driver.Reader{}
}

// waitFor waits for a state of the reader.
func (t test) waitFor(s driver.Service, want func(driver.Reader) bool) driver.Reader {
	t.Helper()
	list, err := s.Readers(t.ctx)
	require.NoError(t, err)
	for !want(t.pick(list)) {
		list, err = s.Wait(t.ctx, list)
		require.NoError(t, err)
	}
	return t.pick(list)
}

func present(r driver.Reader) bool { return r.Present && r.ATR != nil }
func absent(r driver.Reader) bool  { return !r.Present }

// insert inserts a card and waits until the service has noticed.
func (t test) insert(s driver.Service, c *Card) {
	t.Helper()
	t.Insert(c)
	t.waitFor(s, present)
}

func (t test) remove(s driver.Service) {
	t.Helper()
	t.Remove()
	t.waitFor(s, absent)
}

func (t test) connect(s driver.Service) driver.Card {
	t.Helper()
	k, err := s.Connect(t.ctx, t.Reader)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, k.Close(false)) })
	return k
}

// count sends a command and returns the number of commands since the last reset.
func count(k driver.Card) (int, error) {
	response, err := k.Transmit([]byte{0, insCount, 0, 0})
	if err != nil {
		return 0, err
	}
	return int(response[0]), nil
}

func (t test) assertCount(k driver.Card, want int) {
	t.Helper()
	n, err := count(k)
	require.NoError(t, err)
	assert.Equal(t, want, n)
}

// start runs f, checks that it does not return yet, and returns a channel with its
// result.
func (t test) start(f func() error) <-chan error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- f() }()
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Millisecond)
	defer cancel()
	select {
	case err := <-result:
		require.Fail(t, "did not wait", "%v", err)
	case <-ctx.Done():
	}
	return result
}

// result returns the result of a call that start started.
func (t test) result(result <-chan error) error {
	t.Helper()
	select {
	case err := <-result:
		return err
	case <-t.ctx.Done():
		require.Fail(t, "did not return")
		return nil
	}
}
