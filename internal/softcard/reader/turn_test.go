package reader_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

func TestTransactionsStartInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, _ := inserted(t)
		holder := connect(t, set, reader.Mode{})
		require.NoError(t, holder.Begin(t.Context()))
		order := make(chan int, 3)
		for i := range 3 {
			c := connect(t, set, reader.Mode{})
			go func() {
				assert.NoError(t, c.Begin(t.Context()))
				order <- i
				assert.NoError(t, c.End(reader.Leave))
			}()
			synctest.Wait() // it waits before the next one is started
		}
		assert.Empty(t, order)
		require.NoError(t, holder.End(reader.Leave))
		assert.Equal(t, []int{0, 1, 2}, []int{<-order, <-order, <-order})
	})
}

func TestTransactionsNest(t *testing.T) {
	set, _ := inserted(t)
	a := connect(t, set, reader.Mode{})
	b := connect(t, set, reader.Mode{NoWait: true})
	for range 2 {
		require.NoError(t, a.Begin(t.Context()))
	}
	require.NoError(t, a.End(reader.Leave))
	assert.ErrorIs(t, b.Begin(t.Context()), driver.SharingViolation, "one is left")
	require.NoError(t, a.End(reader.Leave))
	assert.NoError(t, b.Begin(t.Context()))
	assert.ErrorIs(t, a.End(reader.Leave), driver.NotTransacted)
}

func TestCommandWaitsForTheTransactionOfAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, _ := inserted(t)
		holder, other := connect(t, set, reader.Mode{}), connect(t, set, reader.Mode{})
		require.NoError(t, holder.Begin(t.Context()))
		got := make(chan int, 1)
		go func() { got <- transmit(t, other) }()
		synctest.Wait()
		assert.Equal(t, 1, transmit(t, holder))
		assert.Equal(t, 2, transmit(t, holder))
		require.NoError(t, holder.End(reader.Leave))
		assert.Equal(t, 3, <-got)
	})
}

func TestNoWait(t *testing.T) {
	set, _ := inserted(t)
	holder, other := connect(t, set, reader.Mode{}), connect(t, set, reader.Mode{NoWait: true})
	require.NoError(t, holder.Begin(t.Context()))
	assert.ErrorIs(t, other.Begin(t.Context()), driver.SharingViolation)
	_, err := other.Transmit(command)
	assert.ErrorIs(t, err, driver.SharingViolation)
	_, err = other.Status()
	assert.ErrorIs(t, err, driver.SharingViolation)
	assert.ErrorIs(t, other.Reconnect(t.Context(), reader.Mode{}, reader.Leave), driver.SharingViolation)
	require.NoError(t, holder.End(reader.Leave))
	_, err = other.Status()
	assert.NoError(t, err)
	assert.Equal(t, 1, transmit(t, other))
}

// A wait for the transaction of another connection ends with these errors.
func TestEndOfAWait(t *testing.T) {
	type fixture struct {
		set           *reader.Set
		holder, other *reader.Conn
		cancel        context.CancelFunc
	}
	tests := []struct {
		name string
		do   func(fixture)
		want error
	}{
		{"the end of its context", func(f fixture) { f.cancel() }, driver.SharingViolation},
		{"Close", func(f fixture) { _ = f.other.Close(reader.Leave) }, driver.InvalidHandle},
		{"removal", func(f fixture) { _ = f.set.Remove(name) }, driver.RemovedCard},
		{"a reset by the holder", func(f fixture) { _ = f.holder.End(reader.Reset) }, driver.ResetCard},
		{"a reset from outside", func(f fixture) { _ = f.set.Reset(name) }, driver.ResetCard},
		{"a drop of the holder", func(f fixture) { f.holder.Drop() }, driver.ResetCard},
		{"stop of the service", func(f fixture) { f.set.Stop() }, driver.ServiceStopped},
		{"unplugging the reader", func(f fixture) { _ = f.set.Detach(name) }, driver.ReaderUnavailable},
		{"another token in its place", func(f fixture) { _ = f.set.Replace(name, newCounter()) }, driver.ReaderUnavailable},
		{"the end of the transaction", func(f fixture) { _ = f.holder.End(reader.Leave) }, nil},
		{"the close of the holder", func(f fixture) { _ = f.holder.Close(reader.Leave) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, _ := inserted(t)
				f := fixture{set: set, holder: connect(t, set, reader.Mode{}), other: connect(t, set, reader.Mode{})}
				var ctx context.Context
				ctx, f.cancel = context.WithCancel(t.Context())
				defer f.cancel()
				require.NoError(t, f.holder.Begin(t.Context()))
				begun := make(chan error)
				go func() { begun <- f.other.Begin(ctx) }()
				synctest.Wait()
				tt.do(f)
				assert.ErrorIs(t, <-begun, tt.want)
			})
		})
	}
}

func TestBeginWithACanceledContext(t *testing.T) {
	set, _ := inserted(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := connect(t, set, reader.Mode{})
	assert.ErrorIs(t, c.Begin(ctx), context.Canceled)
	assert.ErrorIs(t, c.End(reader.Leave), driver.NotTransacted)
}

func TestCloseWithResetWaitsForTheTransactionOfAnother(t *testing.T) {
	for _, drop := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			set, _ := inserted(t)
			holder, other := connect(t, set, reader.Mode{}), connect(t, set, reader.Mode{})
			require.NoError(t, holder.Begin(t.Context()))
			closed := make(chan error, 1)
			go func() { closed <- other.Close(reader.Reset) }()
			synctest.Wait()
			assert.Empty(t, closed)
			assert.Equal(t, 1, transmit(t, holder))
			if drop {
				other.Drop()
				assert.NoError(t, <-closed)
				assert.Equal(t, 2, transmit(t, holder), "a dropped connection does not reset a card that it does not hold")
				return
			}
			require.NoError(t, holder.End(reader.Leave))
			assert.NoError(t, <-closed)
			_, err := holder.Transmit(command)
			assert.ErrorIs(t, err, driver.ResetCard)
		})
	}
}

// Many programs use a card in transactions while it is reset and removed. No
// command of one may come between those of another.
func TestTransactionsOfManyProgramsDoNotMix(t *testing.T) {
	set, card := inserted(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan int)
	const programs = 8
	for i := range programs {
		go func() {
			completed := 0
			for ctx.Err() == nil {
				if program(ctx, t, set, i%4 == 0) {
					completed++
				}
			}
			done <- completed
		}()
	}
	for n := 0; ctx.Err() == nil; n++ {
		switch n % 3 {
		case 0:
			assert.NoError(t, set.Reset(name))
		case 1:
			assert.NoError(t, set.Remove(name))
			assert.NoError(t, set.Insert(name, card))
		default:
			set.Stop()
			set.Start()
		}
		<-time.After(time.Millisecond)
	}
	sum := 0
	for range programs {
		sum += <-done
	}
	assert.NotZero(t, sum, "some transactions completed")
	assert.Zero(t, state(t, set).Sharing, "no connection is left")
}

// program runs one transaction of three commands and reports whether it completed.
func program(ctx context.Context, t *testing.T, set *reader.Set, reset bool) bool {
	c, err := set.Connect(name, reader.Mode{})
	if err != nil {
		return false
	}
	defer c.Drop()
	if c.Begin(ctx) != nil {
		return false
	}
	var first byte
	for i := range byte(3) {
		response, err := c.Transmit(command)
		if err != nil {
			assert.True(t, errors.As(err, new(driver.Errno)))
			return false
		}
		if i == 0 {
			first = response[0]
		}
		assert.Equal(t, first+i, response[0], "no command of another connection in between")
	}
	if reset {
		return c.Close(reader.Reset) == nil
	}
	return c.End(reader.Leave) == nil
}
