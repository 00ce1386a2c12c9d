package winscard

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// New makes a driver of a PC/SC library. It calls nothing yet.
func New(system System) driver.Service {
	s := &service{system: system, turn: make(chan struct{}, 1)}
	s.closing, s.close = context.WithCancelCause(context.Background())
	return s
}

type service struct {
	system  System
	closing context.Context // ends when Close is called
	close   context.CancelCauseFunc

	turn chan struct{} // has a token in it while somebody uses main or life
	main Watcher       // answers questions; nil before the first one
	life uint32        // how often main was lost

	mu      sync.Mutex // guards what follows
	closed  bool
	running sync.WaitGroup // calls under way
	left    sync.WaitGroup // goroutines that put in order what a call left
	spare   Watcher        // one for waiting that nobody waits on now
}

// goodbye is how long Close waits for calls that cannot be ended.
const goodbye = time.Second

// enter begins a call, whose context also ends when the service is closed.
func (s *service) enter(ctx context.Context) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, driver.InvalidHandle
	}
	s.running.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.closing, func() { cancel(driver.Cancelled) })
	return ctx, func() {
		stop()
		cancel(nil)
		s.running.Done()
	}, nil
}

// ended is the error of a context that has ended, or the reason it was given.
func ended(ctx context.Context) error {
	var no driver.Errno
	if cause := context.Cause(ctx); errors.As(cause, &no) {
		return cause
	}
	return ctx.Err()
}

// do runs a call that cannot be cancelled. When ctx ends first, the call is left
// alone, and late is called with its error once it returns.
func (s *service) do(ctx context.Context, call func() error, late func(error)) error {
	result := make(chan error)
	s.left.Add(1)
	go func() {
		defer s.left.Done()
		err := call()
		select {
		case result <- err:
		case <-ctx.Done():
			late(err)
		}
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ended(ctx)
	}
}

func (s *service) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	s.close(driver.Cancelled)
	s.running.Wait()
	if !first {
		return nil
	}
	// From here on nobody takes main or spare up, and who finds the service
	// closed when his call returns releases what he used.
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.left.Wait()
		for _, w := range []Watcher{s.main, s.spare} {
			if w != nil {
				w.Release()
			}
		}
	}()
	within(goodbye, done)
	return nil
}

// within waits until done is closed, but not longer than d.
func within(d time.Duration, done <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// sleep waits, not longer than ctx lasts.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}
