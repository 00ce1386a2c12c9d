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

// A restartable is a service that ends and comes back at the same path, with
// all its memory lost, as a daemon does.
type restartable struct {
	*testing.T
	path string
	end  func()
}

func (r *restartable) start() {
	r.Helper()
	set, _ := one(r.T) // its event count begins anew
	r.end = serve(r.T, r.path, &server.Server{Readers: set})
}

func restarting(t *testing.T) (*restartable, driver.Service) {
	t.Helper()
	r := &restartable{T: t, path: socket(t)}
	r.start()
	t.Cleanup(func() { r.end() })
	s := client.New(r.path)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return r, s
}

func TestServiceThatRestartsBetweenCalls(t *testing.T) {
	r, s := restarting(t)
	before, err := s.Readers(t.Context())
	require.NoError(t, err)
	r.end()
	_, err = s.Readers(t.Context())
	assert.ErrorIs(t, err, driver.NoService)
	_, err = s.Connect(t.Context(), "R")
	assert.ErrorIs(t, err, driver.NoService)
	r.start()
	after, err := s.Readers(t.Context())
	require.NoError(t, err)
	require.Len(t, after, 1)
	assert.NotEqual(t, before[0].Events, after[0].Events, "nobody knows what happened to the card meanwhile")
	k, err := s.Connect(t.Context(), "R")
	require.NoError(t, err)
	assert.NoError(t, k.Close(false))
}

func TestServiceThatRestartsUnnoticed(t *testing.T) {
	r, s := restarting(t)
	before, err := s.Readers(t.Context())
	require.NoError(t, err)
	r.end()
	r.start()
	after, err := s.Wait(t.Context(), before)
	require.NoError(t, err)
	assert.NotEqual(t, before[0].Events, after[0].Events)
	again, err := s.Readers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, after, again)
}

func TestServiceThatRestartsDuringAWait(t *testing.T) {
	r, s := restarting(t)
	known, err := s.Readers(t.Context())
	require.NoError(t, err)
	waited := make(chan error)
	go func() {
		_, err := s.Wait(t.Context(), known)
		waited <- err
	}()
	settled(t)
	r.end()
	err = <-waited
	assert.True(t, isGone(err), "%v", err)
	r.start()
	after, err := s.Wait(t.Context(), known)
	require.NoError(t, err)
	assert.NotEqual(t, known[0].Events, after[0].Events)
}

func TestServiceThatRestartsDuringASection(t *testing.T) {
	r, s := restarting(t)
	k, err := s.Connect(t.Context(), "R")
	require.NoError(t, err)
	require.NoError(t, k.Begin(t.Context()))
	r.end()
	_, err = count(k)
	assert.ErrorIs(t, err, driver.ServiceStopped)
	r.start()
	_, err = count(k)
	assert.ErrorIs(t, err, driver.ServiceStopped, "the connection is dead")
	assert.ErrorIs(t, k.Begin(t.Context()), driver.ServiceStopped)
	assert.ErrorIs(t, k.End(false), driver.ServiceStopped)
	assert.ErrorIs(t, k.Reconnect(t.Context()), driver.ServiceStopped)
	assert.NoError(t, k.Close(true))

	k, err = s.Connect(t.Context(), "R")
	require.NoError(t, err)
	assert.NoError(t, k.Begin(t.Context()))
	assert.NoError(t, k.Close(false))
}

func TestServiceOfAnotherVersionAfterARestart(t *testing.T) {
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

func TestStoppedReadersAreAStoppedService(t *testing.T) {
	set, _ := one(t)
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

// settled gives another goroutine time to wait indeed; the test holds without.
func settled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	<-ctx.Done()
}

func isGone(err error) bool {
	return errors.Is(err, driver.ServiceStopped) || errors.Is(err, driver.NoService)
}
