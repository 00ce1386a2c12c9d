package keyring_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/keyring"
)

var errFailed = errors.New("failed")

// discardNothing is a discard function for runs that callers wait for.
func discardNothing(t *testing.T) func(int) {
	return func(int) { t.Error("discarded") }
}

func TestGroupSharesRun(t *testing.T) {
	for name, want := range map[string]error{"value": nil, "error": errFailed} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g keyring.Group[string, int]
				defer g.Close()
				release := make(chan struct{})
				runs := 0
				var all sync.WaitGroup
				for range 10 {
					all.Go(func() {
						value, err := g.Do(t.Context(), "a", func(context.Context) (int, error) {
							runs++
							<-release
							return 7, want
						}, discardNothing(t))
						assert.Equal(t, 7, value)
						assert.Equal(t, want, err)
					})
				}
				synctest.Wait()
				value, err := g.Do(t.Context(), "b", func(context.Context) (int, error) { return 8, nil }, discardNothing(t))
				assert.Equal(t, 8, value, "another key")
				assert.NoError(t, err)
				close(release)
				all.Wait()
				assert.Equal(t, 1, runs)
			})
		})
	}
}

func TestGroupDoesNotRunAfterEnd(t *testing.T) {
	var g keyring.Group[string, int]
	defer g.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		_, err := g.Do(ctx, "a", func(context.Context) (int, error) {
			t.Error("f runs")
			return 1, nil
		}, discardNothing(t))
		assert.ErrorIs(t, err, context.Canceled)
	}
}

type valueKey struct{}

// The run goes on as long as one caller waits, and has the values of the first
// context.
func TestGroupContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g keyring.Group[string, int]
		defer g.Close()
		ended := false
		f := func(ctx context.Context) (int, error) {
			assert.Equal(t, "first", ctx.Value(valueKey{}))
			<-ctx.Done()
			ended = true
			return 0, ctx.Err()
		}
		first, cancelFirst := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "first"))
		second, cancelSecond := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, ctx := range []context.Context{first, second} {
			all.Go(func() {
				_, err := g.Do(ctx, "a", f, discardNothing(t))
				assert.ErrorIs(t, err, context.Canceled)
			})
			synctest.Wait()
		}
		cancelFirst()
		synctest.Wait()
		assert.False(t, ended)
		cancelSecond()
		all.Wait()
		synctest.Wait()
		assert.True(t, ended)
	})
}

// A value that comes when no caller waits any more is discarded. A caller that comes
// before that starts another run after it.
func TestGroupDiscards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g keyring.Group[string, int]
		defer g.Close()
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var discarded []int
		var all sync.WaitGroup
		all.Go(func() {
			_, err := g.Do(ctx, "a", func(context.Context) (int, error) {
				<-release
				return 1, nil
			}, func(v int) { discarded = append(discarded, v) })
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		all.Go(func() {
			value, err := g.Do(t.Context(), "a", func(context.Context) (int, error) { return 2, nil }, discardNothing(t))
			assert.Equal(t, 2, value)
			assert.NoError(t, err)
		})
		late, cancelLate := context.WithCancel(t.Context())
		all.Go(func() {
			_, err := g.Do(late, "a", func(context.Context) (int, error) { return 3, nil }, discardNothing(t))
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		cancelLate()
		synctest.Wait()
		close(release)
		all.Wait()
		assert.Equal(t, []int{1}, discarded)
	})
}

func TestGroupPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g keyring.Group[string, int]
		defer g.Close()
		release := make(chan struct{})
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				assert.PanicsWithValue(t, "in f", func() {
					_, _ = g.Do(t.Context(), "a", func(context.Context) (int, error) {
						<-release
						panic("in f")
					}, discardNothing(t))
				})
			})
		}
		synctest.Wait()
		close(release)
		all.Wait()
		_, err := g.Do(t.Context(), "a", func(context.Context) (int, error) {
			runtime.Goexit()
			return 0, nil
		}, discardNothing(t))
		assert.ErrorContains(t, err, "ended its goroutine")
	})
}

func TestGroupClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g keyring.Group[string, int]
		var ended atomic.Bool
		f := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			ended.Store(true)
			return 0, errFailed
		}
		var all sync.WaitGroup
		all.Go(func() {
			_, err := g.Do(t.Context(), "a", f, discardNothing(t))
			assert.ErrorIs(t, err, errFailed)
		})
		synctest.Wait()
		g.Cancel()
		all.Wait()
		all.Go(func() {
			_, err := g.Do(t.Context(), "b", f, discardNothing(t))
			assert.ErrorIs(t, err, errFailed)
		})
		synctest.Wait()
		ended.Store(false)
		g.Close()
		assert.True(t, ended.Load(), "Close waits")
		all.Wait()
		_, err := g.Do(t.Context(), "a", f, discardNothing(t))
		assert.ErrorIs(t, err, keyring.ErrClosed)
	})
}
