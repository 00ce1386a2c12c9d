package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// New returns the service that listens on the unix socket path. An empty path
// means [Path], determined at each connection. New connects to nothing.
func New(path string) driver.Service {
	s := &service{path: path, closeTimeout: time.Second, turn: make(chan struct{}, 1)}
	s.minor.Store(pcsclite.MaxMinor)
	s.closing, s.close = context.WithCancelCause(context.Background())
	return s
}

// service reads the state of the readers on one connection. As long as that
// connection exists, the service has not restarted and its event counts compare.
type service struct {
	path         string
	closing      context.Context // ends when Close is called
	close        context.CancelCauseFunc
	closeTimeout time.Duration // how long Close of a card waits for the service

	// minor is the version that the service spoke last. Starting with it saves
	// a refusal.
	minor atomic.Uint32

	turn       chan struct{} // semaphore for main and generation
	main       *conn         // nil before the first use
	generation uint32        // how often main was lost

	mu      sync.Mutex // guards what follows
	closed  bool
	running sync.WaitGroup // calls under way
	spare   *conn          // an idle connection for the next Wait
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

// Close waits for the calls under way, which return at most responseGrace later.
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
	for _, c := range []*conn{s.main, s.spare} {
		if c != nil {
			c.close()
		}
	}
	return nil
}

// Probe returns why a client cannot use the service that listens on the unix socket
// path, nil if it can.
func Probe(ctx context.Context, path string) error {
	c, err := dial(ctx, path, pcsclite.MaxMinor)
	if err != nil {
		return err
	}
	c.close()
	return nil
}

// dial connects by version 4.newest, or by the one that the service spoke last if
// that is older.
func (s *service) dial(ctx context.Context, newest uint32) (*conn, error) {
	return s.dialVersion(ctx, min(newest, s.minor.Load()))
}

func (s *service) dialVersion(ctx context.Context, minor uint32) (*conn, error) {
	path := s.path
	if path == "" {
		path = Path()
	}
	return dial(ctx, path, minor)
}

func (s *service) Readers(ctx context.Context) ([]driver.Reader, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.read(ctx)
}

// read reads the state of the readers.
func (s *service) read(ctx context.Context) ([]driver.Reader, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
	list, err := s.readMain(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		// The service counts up to 0xFFFF, from 0 when it starts.
		list[i].Events = s.generation<<16 | list[i].Events&0xFFFF
	}
	return list, nil
}

// readMain reads the readers on the main connection. If that connection is lost,
// it tries a new one once: the service may have restarted. The caller has the turn.
func (s *service) readMain(ctx context.Context) ([]driver.Reader, error) {
	if s.main != nil {
		list, err := s.main.readers(ctx)
		if err == nil || s.main.lost == nil {
			return list, err
		}
		s.main = nil
		s.generation++
		if !errors.Is(err, driver.ServiceStopped) {
			return nil, err
		}
	}
	c, err := s.dialVersion(ctx, pcsclite.MaxMinor)
	if err != nil {
		return nil, err
	}
	s.minor.Store(c.minor)
	list, err := c.readers(ctx)
	if err != nil {
		c.close()
		return nil, err
	}
	s.main = c
	return list, nil
}
