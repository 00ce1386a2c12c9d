package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// New is the service that listens on the unix socket of that path; an empty one
// means [Path], looked up at each connection. It makes no connection yet.
func New(path string) driver.Service {
	s := &service{path: path, turn: make(chan struct{}, 1)}
	s.minor.Store(pcsclite.MaxMinor)
	s.closing, s.close = context.WithCancelCause(context.Background())
	return s
}

// service keeps one connection for all questions about readers. While that one
// lives the service is the same, and its event counts can be compared.
type service struct {
	path    string
	closing context.Context
	close   context.CancelCauseFunc

	// minor is the version that the service spoke last: who knows it needs not
	// be refused first.
	minor atomic.Uint32

	turn chan struct{} // has a token in it while somebody uses main or life
	main *conn         // nil before the first use
	life uint32        // how often main was lost

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // calls under way
	spare   *conn          // one for waiting that nobody waits on now
}

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

// dial makes a connection of version 4.newest or what the service spoke last,
// if that is older.
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
	return s.look(ctx)
}

// look reads the state of the readers.
func (s *service) look(ctx context.Context) ([]driver.Reader, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ended(ctx)
	}
	list, err := s.ask(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		// The service counts to 0xFFFF, from 0 when it starts.
		list[i].Events = s.life<<16 | list[i].Events&0xFFFF
	}
	return list, nil
}

// ask asks the service, once more if it turns out to be gone since the last
// question: a new one may be there.
func (s *service) ask(ctx context.Context) ([]driver.Reader, error) {
	if s.main != nil {
		list, err := s.main.readers(ctx)
		if err == nil || s.main.lost == nil {
			return list, err
		}
		s.main = nil
		s.life++
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
