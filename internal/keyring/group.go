package keyring

import (
	"context"
	"errors"
	"sync"

	"github.com/smartlogon/smartlogon/internal/fault"
)

// ErrClosed reports a call after Close.
var ErrClosed = fault.New(fault.Object, "keys are closed", "Start the program again: it used a key after it had closed all keys.")

// errGoexit reports a function that ended its goroutine.
var errGoexit = errors.New("the function ended its goroutine")

// A Group lets callers share the run of a function: while it runs for a key, other
// calls for the same key wait for its result. The context of the run ends when no
// caller waits any more, so one caller that gives up does not end the prompt that
// others wait for. The zero value is ready for use.
type Group[K comparable, V any] struct {
	mu      sync.Mutex
	closed  bool
	runs    map[K]*run[V]
	running sync.WaitGroup
}

// A run is one run of a function.
type run[V any] struct {
	waiting int // callers; guarded by Group.mu
	cancel  context.CancelFunc
	done    chan struct{}

	// The result, which may be read once done is closed.
	value    V
	err      error
	panicked any
}

// Do returns the result of f, which does not run if ctx has ended. The values of ctx are those of the first caller's
// context. If no caller waits for the result any more, discard gets the value, unless
// f failed. A panic of f is a panic of every caller.
func (g *Group[K, V]) Do(ctx context.Context, key K, f func(context.Context) (V, error), discard func(V)) (V, error) {
	var none V
	for {
		if err := ctx.Err(); err != nil {
			return none, err // a run could ask for a PIN before the select below ends it
		}
		g.mu.Lock()
		if g.closed {
			g.mu.Unlock()
			return none, ErrClosed
		}
		r := g.runs[key]
		abandoned := r != nil && r.waiting == 0 // its context has ended
		switch {
		case r == nil:
			r = g.start(ctx, key, f, discard)
		case !abandoned:
			r.waiting++
		}
		g.mu.Unlock()
		select {
		case <-r.done:
			if !abandoned {
				return r.result()
			}
		case <-ctx.Done():
			if !abandoned && !g.leave(r) {
				return r.result()
			}
			return none, ctx.Err()
		}
	}
}

// start starts a run for one caller. The caller holds the mutex.
func (g *Group[K, V]) start(ctx context.Context, key K, f func(context.Context) (V, error), discard func(V)) *run[V] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &run[V]{waiting: 1, cancel: cancel, done: make(chan struct{}), err: errGoexit}
	if g.runs == nil {
		g.runs = make(map[K]*run[V])
	}
	g.runs[key] = r
	g.running.Go(func() {
		defer cancel()
		defer g.finish(key, r, discard)
		defer func() { r.panicked = recover() }() // and if f ends the goroutine
		r.value, r.err = f(ctx)
	})
	return r
}

// finish publishes the result of a run.
func (g *Group[K, V]) finish(key K, r *run[V], discard func(V)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.waiting == 0 && r.err == nil {
		g.mu.Unlock()
		discard(r.value)
		g.mu.Lock()
	}
	delete(g.runs, key)
	close(r.done)
}

func (r *run[V]) result() (V, error) {
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.value, r.err
}

// leave ends the wait of one caller. It reports false if the run is over.
func (g *Group[K, V]) leave(r *run[V]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-r.done:
		return false
	default:
	}
	r.waiting--
	if r.waiting == 0 {
		r.cancel()
	}
	return true
}

// Cancel ends the contexts of all runs.
func (g *Group[K, V]) Cancel() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.runs {
		r.cancel()
	}
}

// Close ends the contexts of all runs and waits for their ends. Later calls of Do
// fail with ErrClosed.
func (g *Group[K, V]) Close() {
	g.mu.Lock()
	g.closed = true
	for _, r := range g.runs {
		r.cancel()
	}
	g.mu.Unlock()
	g.running.Wait()
}
