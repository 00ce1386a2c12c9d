package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// restartable is a service that stops and starts at the same path, without any
// state from before.
type restartable struct {
	*testing.T
	path string
	stop func()
}

func (r *restartable) start() {
	r.Helper()
	set, _ := newSet(r.T) // event counts start again
	r.stop = serve(r.T, r.path, &server.Server{Readers: set})
}

// newRestartable starts a service and returns a client of it.
func newRestartable(t *testing.T) (*restartable, driver.Service) {
	t.Helper()
	r := &restartable{T: t, path: socket(t)}
	r.start()
	t.Cleanup(func() { r.stop() })
	s := client.New(r.path)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return r, s
}

func TestRestartBetweenCalls(t *testing.T) {
	r, s := newRestartable(t)
	before, err := s.Readers(t.Context())
	require.NoError(t, err)
	r.stop()
	_, err = s.Readers(t.Context())
	assert.ErrorIs(t, err, driver.NoService)
	_, err = s.Connect(t.Context(), "R")
	assert.ErrorIs(t, err, driver.NoService)
	r.start()
	after, err := s.Readers(t.Context())
	require.NoError(t, err)
	require.Len(t, after, 1)
	assert.NotEqual(t, before[0].Events, after[0].Events, "the card may have been exchanged")
	k, err := s.Connect(t.Context(), "R")
	require.NoError(t, err)
	assert.NoError(t, k.Close(false))
}

func TestRestartWithoutCalls(t *testing.T) {
	r, s := newRestartable(t)
	before, err := s.Readers(t.Context())
	require.NoError(t, err)
	r.stop()
	r.start()
	after, err := s.Wait(t.Context(), before)
	require.NoError(t, err)
	assert.NotEqual(t, before[0].Events, after[0].Events)
	again, err := s.Readers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, after, again)
}

func TestRestartDuringWait(t *testing.T) {
	r, s := newRestartable(t)
	last, err := s.Readers(t.Context())
	require.NoError(t, err)
	returned := make(chan error)
	go func() {
		_, err := s.Wait(t.Context(), last)
		returned <- err
	}()
	pause(t)
	r.stop()
	err = <-returned
	assert.True(t, isNoService(err), "%v", err)
	r.start()
	after, err := s.Wait(t.Context(), last)
	require.NoError(t, err)
	assert.NotEqual(t, last[0].Events, after[0].Events)
}

func TestRestartDuringTransaction(t *testing.T) {
	r, s := newRestartable(t)
	k, err := s.Connect(t.Context(), "R")
	require.NoError(t, err)
	require.NoError(t, k.Begin(t.Context()))
	r.stop()
	_, err = count(k)
	assert.ErrorIs(t, err, driver.ServiceStopped)
	r.start()
	_, err = count(k)
	assert.ErrorIs(t, err, driver.ServiceStopped, "the connection is lost")
	assert.ErrorIs(t, k.Begin(t.Context()), driver.ServiceStopped)
	assert.ErrorIs(t, k.End(false), driver.ServiceStopped)
	assert.ErrorIs(t, k.Reconnect(t.Context()), driver.ServiceStopped)
	assert.NoError(t, k.Close(true))

	k, err = s.Connect(t.Context(), "R")
	require.NoError(t, err)
	assert.NoError(t, k.Begin(t.Context()))
	assert.NoError(t, k.Close(false))
}

func TestRestartWithOtherVersion(t *testing.T) {
	path := socket(t)
	s := client.New(path)
	defer s.Close()
	for _, minor := range []uint32{4, 6, 5, 4} {
		stop := serve(t, path, &server.Server{Readers: reader.New("R"), Minor: minor, Strict: true})
		list, err := s.Readers(t.Context())
		assert.NoError(t, err)
		assert.Len(t, list, 1)
		_, err = s.Connect(t.Context(), "R")
		assert.Equal(t, driver.NoSmartcard, err)
		stop()
	}
}

func TestStoppedReaders(t *testing.T) {
	set, _ := newSet(t)
	s := open(t, &server.Server{Readers: set})
	before, err := s.Readers(t.Context())
	require.NoError(t, err)
	k, err := s.Connect(t.Context(), "R")
	require.NoError(t, err)
	defer k.Close(false)
	set.Stop()
	_, err = count(k)
	assert.ErrorIs(t, err, driver.ServiceStopped)
	_, err = s.Readers(t.Context())
	assert.ErrorIs(t, err, driver.NoService)
	set.Start()
	after, err := s.Readers(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, before[0].Events, after[0].Events)
}

// pause gives another goroutine time to start waiting. The test passes without it.
func pause(t testing.TB) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	<-ctx.Done()
}

func isNoService(err error) bool {
	return errors.Is(err, driver.ServiceStopped) || errors.Is(err, driver.NoService)
}
