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

func closedDoesNothing(b bench) {
	s := b.Program()
	b.insert(s, new(Card))
	k, err := s.Connect(b.ctx, b.Reader)
	require.NoError(b, err)
	require.NoError(b, s.Close())
	require.NoError(b, s.Close())
	_, err = s.Readers(b.ctx)
	assert.ErrorIs(b, err, driver.InvalidHandle)
	_, err = s.Wait(b.ctx, nil)
	assert.ErrorIs(b, err, driver.InvalidHandle)
	_, err = s.Connect(b.ctx, b.Reader)
	assert.ErrorIs(b, err, driver.InvalidHandle)

	b.counts(k, 1) // cards are closed by their owners
	require.NoError(b, k.Close(false))
	_, err = count(k)
	assert.ErrorIs(b, err, driver.InvalidHandle)
	assert.ErrorIs(b, k.Begin(b.ctx), driver.InvalidHandle)
	assert.ErrorIs(b, k.End(false), driver.InvalidHandle)
	assert.ErrorIs(b, k.Reconnect(b.ctx), driver.InvalidHandle)
}

func endedContext(b bench) {
	s := b.program()
	b.insert(s, new(Card))
	k := b.connect(s)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	_, err := s.Readers(ctx)
	assert.Equal(b, context.Canceled, err)
	_, err = s.Wait(ctx, nil)
	assert.Equal(b, context.Canceled, err)
	_, err = s.Connect(ctx, b.Reader)
	assert.Equal(b, context.Canceled, err)
	assert.Equal(b, context.Canceled, k.Begin(ctx))
	if err := k.Reconnect(ctx); err != nil { // it need not wait
		assert.Equal(b, context.Canceled, err)
	}
	require.NoError(b, k.Begin(b.ctx))
	require.NoError(b, k.End(false))
}

func stopsAndReturns(b bench) {
	if b.Stop == nil {
		b.Skip("this service cannot be stopped")
	}
	s := b.program()
	b.insert(s, new(Card))
	k, section := b.connect(s), b.connect(s)
	known, err := s.Readers(b.ctx)
	require.NoError(b, err)
	require.NoError(b, section.Begin(b.ctx))
	ended := b.still(func() error {
		_, err := s.Wait(b.ctx, known)
		return err
	})

	b.Stop()
	err = b.end(ended)
	assert.True(b, gone(err), "%v", err)
	_, err = s.Readers(b.ctx)
	assert.ErrorIs(b, err, driver.NoService)
	_, err = s.Wait(b.ctx, nil)
	assert.ErrorIs(b, err, driver.NoService)
	_, err = s.Connect(b.ctx, b.Reader)
	assert.ErrorIs(b, err, driver.NoService)
	_, err = count(section)
	assert.ErrorIs(b, err, driver.ServiceStopped)

	b.Start()
	assert.ErrorIs(b, k.Begin(b.ctx), driver.ServiceStopped, "a connection does not survive")
	assert.ErrorIs(b, section.End(false), driver.ServiceStopped)
	b.until(s, present)
	b.counts(b.connect(s), 1)
}

// gone reports whether an error says that there is no service: any more, or
// again not.
func gone(err error) bool {
	return errors.Is(err, driver.ServiceStopped) || errors.Is(err, driver.NoService)
}

// closed reports whether an error says that the service was closed: under a
// call, or before the call looked again.
func closed(err error) bool {
	return errors.Is(err, driver.Cancelled) || errors.Is(err, driver.InvalidHandle)
}

// nothingIsLeft counts goroutines: none may outlive its owner.
func nothingIsLeft(b bench) {
	watch := b.program()
	b.insert(watch, new(Card))
	other := b.connect(watch)
	before := runtime.NumGoroutine()

	s := b.Program()
	k, err := s.Connect(b.ctx, b.Reader)
	require.NoError(b, err)
	known, err := s.Readers(b.ctx)
	require.NoError(b, err)
	var waits []<-chan error
	for range 3 {
		waits = append(waits, b.still(func() error {
			_, err := s.Wait(b.ctx, known)
			return err
		}))
	}
	require.NoError(b, other.Begin(b.ctx))
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Millisecond)
	defer cancel()
	assert.Equal(b, context.DeadlineExceeded, k.Begin(ctx))
	require.NoError(b, k.Close(false))
	require.NoError(b, s.Close())
	for _, ended := range waits {
		err := b.end(ended)
		assert.True(b, closed(err), "%v", err)
	}

	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			all := make([]byte, 1<<16)
			require.Fail(b, "goroutines are left", "%s", all[:runtime.Stack(all, true)])
		}
	}
	b.counts(other, 1)
}
