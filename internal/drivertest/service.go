package drivertest

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func closed(t test) {
	s := t.Program()
	t.insert(s, new(Card))
	k, err := s.Connect(t.ctx, t.Reader)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Readers(t.ctx)
	assert.ErrorIs(t, err, driver.InvalidHandle)
	_, err = s.Wait(t.ctx, nil)
	assert.ErrorIs(t, err, driver.InvalidHandle)
	_, err = s.Connect(t.ctx, t.Reader)
	assert.ErrorIs(t, err, driver.InvalidHandle)

	t.assertCount(k, 1) // connections outlive the service
	require.NoError(t, k.Close(false))
	_, err = count(k)
	assert.ErrorIs(t, err, driver.InvalidHandle)
	assert.ErrorIs(t, k.Begin(t.ctx), driver.InvalidHandle)
	assert.ErrorIs(t, k.End(false), driver.InvalidHandle)
	assert.ErrorIs(t, k.Reconnect(t.ctx), driver.InvalidHandle)
}

func endedContext(t test) {
	s := t.program()
	t.insert(s, new(Card))
	k := t.connect(s)
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	_, err := s.Readers(ctx)
	assert.Equal(t, context.Canceled, err)
	_, err = s.Wait(ctx, nil)
	assert.Equal(t, context.Canceled, err)
	_, err = s.Connect(ctx, t.Reader)
	assert.Equal(t, context.Canceled, err)
	assert.Equal(t, context.Canceled, k.Begin(ctx))
	if err := k.Reconnect(ctx); err != nil { // it may succeed without waiting
		assert.Equal(t, context.Canceled, err)
	}
	require.NoError(t, k.Begin(t.ctx))
	require.NoError(t, k.End(false))
}

func stopAndStart(t test) {
	if t.Stop == nil {
		t.Skip("this service has no Stop")
	}
	s := t.program()
	t.insert(s, new(Card))
	k, holder := t.connect(s), t.connect(s)
	last, err := s.Readers(t.ctx)
	require.NoError(t, err)
	require.NoError(t, holder.Begin(t.ctx))
	ended := t.start(func() error {
		_, err := s.Wait(t.ctx, last)
		return err
	})

	t.Stop()
	err = t.result(ended)
	assert.True(t, isGone(err), "%v", err)
	_, err = s.Readers(t.ctx)
	assert.ErrorIs(t, err, driver.NoService)
	_, err = s.Wait(t.ctx, nil)
	assert.ErrorIs(t, err, driver.NoService)
	_, err = s.Connect(t.ctx, t.Reader)
	assert.ErrorIs(t, err, driver.NoService)
	_, err = count(holder)
	assert.ErrorIs(t, err, driver.ServiceStopped)

	t.Start()
	assert.ErrorIs(t, k.Begin(t.ctx), driver.ServiceStopped, "connections do not survive")
	assert.ErrorIs(t, holder.End(false), driver.ServiceStopped)
	t.waitFor(s, present)
	t.assertCount(t.connect(s), 1)
}

// isGone reports whether an error is that of a stopped service: of a call that it
// interrupted, or of a later one.
func isGone(err error) bool {
	return errors.Is(err, driver.ServiceStopped) || errors.Is(err, driver.NoService)
}

// isClosed reports whether an error is that of a closed service: of a call that
// Close interrupted, or of a later one.
func isClosed(err error) bool {
	return errors.Is(err, driver.Cancelled) || errors.Is(err, driver.InvalidHandle)
}

// goroutines checks that no goroutine outlives its service or connection.
func goroutines(t test) {
	watch := t.program()
	t.insert(watch, new(Card))
	other := t.connect(watch)
	before := runtime.NumGoroutine()

	s := t.Program()
	k, err := s.Connect(t.ctx, t.Reader)
	require.NoError(t, err)
	last, err := s.Readers(t.ctx)
	require.NoError(t, err)
	var waits []<-chan error
	for range 3 {
		waits = append(waits, t.start(func() error {
			_, err := s.Wait(t.ctx, last)
			return err
		}))
	}
	require.NoError(t, other.Begin(t.ctx))
	ctx, cancel := context.WithTimeout(t.ctx, 20*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, k.Begin(ctx), context.DeadlineExceeded)
	require.NoError(t, k.Close(false))
	require.NoError(t, s.Close())
	for _, ended := range waits {
		err := t.result(ended)
		assert.True(t, isClosed(err), "%v", err)
	}

	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-t.ctx.Done():
			all := make([]byte, 1<<16)
			require.Fail(t, "goroutines are left", "%s", all[:runtime.Stack(all, true)])
		}
	}
	t.assertCount(other, 1)
}
