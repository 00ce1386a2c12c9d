package reader_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

func TestDriverReaders(t *testing.T) {
	set, card := inserted(t)
	svc := set.Service()
	readers, err := svc.Readers(t.Context())
	require.NoError(t, err)
	want := driver.Reader{Name: name, Events: 1, Present: true, ATR: card.atr}
	assert.Equal(t, []driver.Reader{want}, readers)

	connect(t, set, reader.Mode{Exclusive: true})
	readers, err = svc.Readers(t.Context())
	require.NoError(t, err)
	want.InUse, want.Exclusive = true, true
	assert.Equal(t, []driver.Reader{want}, readers)

	readers, err = new(reader.Set).Service().Readers(t.Context())
	assert.NoError(t, err)
	assert.Empty(t, readers, "no reader is not an error")
}

func TestWaitReturnsAtOnceAfterAChange(t *testing.T) {
	set, card := inserted(t)
	svc := set.Service()
	last, err := svc.Wait(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, last, 1)

	require.NoError(t, set.Remove(name))
	require.NoError(t, set.Insert(name, card))
	now, err := svc.Wait(t.Context(), last)
	require.NoError(t, err)
	assert.Equal(t, last[0].Events+2, now[0].Events, "removed and inserted before the call")
}

func TestEndOfWait(t *testing.T) {
	type fixture struct {
		set    *reader.Set
		svc    driver.Service
		cancel context.CancelFunc
	}
	tests := []struct {
		name string
		do   func(fixture)
		want error
	}{
		{"removal", func(f fixture) { _ = f.set.Remove(name) }, nil},
		{"a new reader", func(f fixture) { _ = f.set.Add("another") }, nil},
		{"the end of its context", func(f fixture) { f.cancel() }, context.Canceled},
		{"close", func(f fixture) { _ = f.svc.Close() }, driver.Cancelled},
		{"the end of the service", func(f fixture) { f.set.Stop() }, driver.ServiceStopped},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, _ := inserted(t)
				f := fixture{set: set, svc: set.Service()}
				var ctx context.Context
				ctx, f.cancel = context.WithCancel(t.Context())
				defer f.cancel()
				last, err := f.svc.Readers(ctx)
				require.NoError(t, err)
				ended := make(chan error, 1)
				go func() {
					_, err := f.svc.Wait(ctx, last)
					ended <- err
				}()
				synctest.Wait()
				connect(t, set, reader.Mode{})
				synctest.Wait()
				assert.Empty(t, ended, "connecting is not a change")
				tt.do(f)
				assert.Equal(t, tt.want, <-ended)
			})
		})
	}
}

// A client waits during a thousand insertions and removals. The event counter
// accounts for each of them.
func TestEventCounterDuringWait(t *testing.T) {
	set, card := inserted(t)
	svc := set.Service()
	last, err := svc.Readers(t.Context())
	require.NoError(t, err)
	end := last[0].Events + 1000
	go func() {
		for range 500 {
			assert.NoError(t, set.Remove(name))
			assert.NoError(t, set.Insert(name, card))
		}
	}()
	for last[0].Events != end {
		now, err := svc.Wait(t.Context(), last)
		require.NoError(t, err)
		require.Greater(t, now[0].Events, last[0].Events)
		require.LessOrEqual(t, now[0].Events, end)
		require.Equal(t, now[0].Events%2 == 1, now[0].Present, "an odd count is an insertion")
		last = now
	}
}

func TestDriverCard(t *testing.T) {
	set, card := inserted(t)
	svc := set.Service()
	c, err := svc.Connect(t.Context(), name)
	require.NoError(t, err)
	assert.Equal(t, driver.T1, c.Protocol())

	require.NoError(t, c.Begin(t.Context()))
	response, err := c.Transmit(command)
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 0x90, 0}, response)
	require.NoError(t, c.End(true))
	response, err = c.Transmit(command)
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 0x90, 0}, response, "after the reset")

	require.NoError(t, set.Reset(name))
	_, err = c.Transmit(command)
	assert.ErrorIs(t, err, driver.ResetCard)
	require.NoError(t, c.Reconnect(t.Context()))
	_, err = c.Transmit(command)
	assert.NoError(t, err)

	require.NoError(t, set.Remove(name))
	require.NoError(t, set.Insert(name, card))
	assert.ErrorIs(t, c.Reconnect(t.Context()), driver.RemovedCard, "the next card needs a new connection")
	require.NoError(t, c.Close(false))
	require.NoError(t, c.Close(true))
	_, err = c.Transmit(command)
	assert.ErrorIs(t, err, driver.InvalidHandle)

	set = reader.New(name)
	require.NoError(t, set.Insert(name, &counter{atr: []byte{0x3B, 0}}))
	c, err = set.Service().Connect(t.Context(), name)
	require.NoError(t, err)
	assert.Equal(t, driver.T0, c.Protocol())
	require.NoError(t, c.Close(true))
}

func TestClosedService(t *testing.T) {
	set, _ := inserted(t)
	svc := set.Service()
	require.NoError(t, svc.Close())
	require.NoError(t, svc.Close())
	_, err := svc.Readers(t.Context())
	assert.ErrorIs(t, err, driver.InvalidHandle)
	_, err = svc.Wait(t.Context(), nil)
	assert.ErrorIs(t, err, driver.InvalidHandle)
	_, err = svc.Connect(t.Context(), name)
	assert.ErrorIs(t, err, driver.InvalidHandle)
}

func TestStoppedService(t *testing.T) {
	set, _ := inserted(t)
	svc := set.Service()
	set.Stop()
	_, err := svc.Readers(t.Context())
	assert.ErrorIs(t, err, driver.NoService)
	_, err = svc.Wait(t.Context(), nil)
	assert.ErrorIs(t, err, driver.NoService)
	_, err = svc.Connect(t.Context(), name)
	assert.ErrorIs(t, err, driver.NoService)
	set.Start()
	c, err := svc.Connect(t.Context(), name)
	require.NoError(t, err, "the service is back")
	require.NoError(t, c.Close(false))
}
