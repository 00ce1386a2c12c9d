package winscard

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// New returns the backend on a PC/SC library. It calls nothing yet.
func New(system System) driver.Service {
	s := &service{system: system, closeTimeout: time.Second, turn: make(chan struct{}, 1)}
	s.closing, s.close = context.WithCancelCause(context.Background())
	return s
}

type service struct {
	system       System
	closing      context.Context // ends when Close is called
	close        context.CancelCauseFunc
	closeTimeout time.Duration // how long Close waits for calls that cannot be canceled

	turn       chan struct{} // semaphore for main and generation
	main       Watcher       // reads the state of readers; nil before the first use
	generation uint32        // how often main was lost

	mu        sync.Mutex // guards what follows
	closed    bool
	running   sync.WaitGroup // calls under way
	abandoned sync.WaitGroup // goroutines whose caller may have left
	spare     Watcher        // an idle context for the next Wait
}

// enter begins a call. The returned context also ends when the service is closed.
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

// contextError returns the error of a context that has ended: its cause if that
// is a driver.Errno, as after Close.
func contextError(ctx context.Context) error {
	var no driver.Errno
	if cause := context.Cause(ctx); errors.As(cause, &no) {
		return cause
	}
	return ctx.Err()
}

// run runs a call that cannot be canceled. If ctx ends first, run returns, and
// cleanup is called with the error of the call once it returns.
func (s *service) run(ctx context.Context, call func() error, cleanup func(error)) error {
	result := make(chan error)
	s.abandoned.Add(1)
	go func() {
		defer s.abandoned.Done()
		err := call()
		select {
		case result <- err:
		case <-ctx.Done():
			cleanup(err)
		}
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// release releases a context on its own goroutine: the call blocks while the
// service does not respond.
func (s *service) release(w Watcher) {
	s.abandoned.Add(1)
	go func() {
		defer s.abandoned.Done()
		w.Release()
	}()
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
	// No call starts any more. The last abandoned one returns its contexts to
	// main and spare.
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.abandoned.Wait()
		for _, w := range []Watcher{s.main, s.spare} {
			if w != nil {
				w.Release()
			}
		}
	}()
	waitAtMost(s.closeTimeout, done)
	return nil
}

// waitAtMost waits until done is closed, at most for d.
func waitAtMost(d time.Duration, done <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}
