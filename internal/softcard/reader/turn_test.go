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

func TestTransactionsAreHandedOverInOrder(t *testing.T) {
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
			synctest.Wait() // so that it waits before the next one does
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

func TestACommandOfAnotherConnectionWaitsForTheEndOfATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, _ := inserted(t)
		holder, other := connect(t, set, reader.Mode{}), connect(t, set, reader.Mode{})
		require.NoError(t, holder.Begin(t.Context()))
		got := make(chan int, 1)
		go func() { got <- answers(t, other) }()
		synctest.Wait()
		assert.Equal(t, 1, answers(t, holder))
		assert.Equal(t, 2, answers(t, holder))
		require.NoError(t, holder.End(reader.Leave))
		assert.Equal(t, 3, <-got)
	})
}

func TestAConnectionThatDoesNotWaitIsRefused(t *testing.T) {
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
	assert.Equal(t, 1, answers(t, other))
}

// What ends a wait for the transaction of another connection, and with which
// error.
func TestWhatEndsAWait(t *testing.T) {
	type scene struct {
		set           *reader.Set
		holder, other *reader.Conn
		cancel        context.CancelFunc
	}
	tests := []struct {
		name string
		do   func(scene)
		want error
	}{
		{"its context", func(s scene) { s.cancel() }, context.Canceled},
		{"its own close", func(s scene) { _ = s.other.Close(reader.Leave) }, driver.InvalidHandle},
		{"removal", func(s scene) { _ = s.set.Remove(name) }, driver.RemovedCard},
		{"a reset by the holder", func(s scene) { _ = s.holder.End(reader.Reset) }, driver.ResetCard},
		{"a reset from outside", func(s scene) { _ = s.set.Reset(name) }, driver.ResetCard},
		{"the death of the holder", func(s scene) { s.holder.Drop() }, driver.ResetCard},
		{"the service", func(s scene) { s.set.Stop() }, driver.ServiceStopped},
		{"the reader", func(s scene) { _ = s.set.Detach(name) }, driver.ReaderUnavailable},
		{"a token in place of it", func(s scene) { _ = s.set.Replace(name, newCounter()) }, driver.ReaderUnavailable},
		{"the end of the transaction", func(s scene) { _ = s.holder.End(reader.Leave) }, nil},
		{"the close of the holder", func(s scene) { _ = s.holder.Close(reader.Leave) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, _ := inserted(t)
				s := scene{set: set, holder: connect(t, set, reader.Mode{}), other: connect(t, set, reader.Mode{})}
				var ctx context.Context
				ctx, s.cancel = context.WithCancel(t.Context())
				defer s.cancel()
				require.NoError(t, s.holder.Begin(t.Context()))
				begun := make(chan error)
				go func() { begun <- s.other.Begin(ctx) }()
				synctest.Wait()
				tt.do(s)
				assert.Equal(t, tt.want, <-begun)
			})
		})
	}
}

func TestACancelledContextBeginsNothing(t *testing.T) {
	set, _ := inserted(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := connect(t, set, reader.Mode{})
	assert.ErrorIs(t, c.Begin(ctx), context.Canceled)
	assert.ErrorIs(t, c.End(reader.Leave), driver.NotTransacted)
}

func TestCloseWithResetWaitsForTheTransactionOfAnother(t *testing.T) {
	for _, dies := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			set, _ := inserted(t)
			holder, other := connect(t, set, reader.Mode{}), connect(t, set, reader.Mode{})
			require.NoError(t, holder.Begin(t.Context()))
			closed := make(chan error, 1)
			go func() { closed <- other.Close(reader.Reset) }()
			synctest.Wait()
			assert.Empty(t, closed)
			assert.Equal(t, 1, answers(t, holder))
			if dies {
				other.Drop()
				assert.NoError(t, <-closed)
				assert.Equal(t, 2, answers(t, holder), "a dead program resets nothing it does not hold")
				return
			}
			require.NoError(t, holder.End(reader.Leave))
			assert.NoError(t, <-closed)
			_, err := holder.Transmit(command)
			assert.ErrorIs(t, err, driver.ResetCard)
		})
	}
}

// Many programs use a card in transactions while somebody resets and pulls it.
// No command of one may ever come between those of another.
func TestManyProgramsNeverMix(t *testing.T) {
	set, card := inserted(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan int)
	const programs = 8
	for i := range programs {
		go func() {
			whole := 0
			for ctx.Err() == nil {
				if program(ctx, t, set, i%4 == 0) {
					whole++
				}
			}
			done <- whole
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
	assert.NotZero(t, sum, "some transactions were whole")
	assert.Zero(t, state(t, set).Sharing, "everybody is disconnected")
}

// program does one transaction of three commands and reports whether it came
// to its end.
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
		answer, err := c.Transmit(command)
		if err != nil {
			assert.True(t, errors.As(err, new(driver.Errno)))
			return false
		}
		if i == 0 {
			first = answer[0]
		}
		assert.Equal(t, first+i, answer[0], "nobody else had a command in between")
	}
	if reset {
		return c.Close(reader.Reset) == nil
	}
	return c.End(reader.Leave) == nil
}
