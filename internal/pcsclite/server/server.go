package server

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

// maxSessions is the maximum number of clients, more than pcscd accepts.
const maxSessions = 256

// A Server serves readers. Only Readers is required.
type Server struct {
	Readers *reader.Set

	// Minor is the newest version to support, 4.Minor; 0 means the newest of
	// all. A client that asks for a newer version gets this one.
	Minor uint32

	// Strict refuses all versions but 4.Minor, as pcscd before 2.4.1.
	Strict bool

	mu        sync.Mutex // guards what follows
	closed    bool
	listeners map[net.Listener]bool
	sessions  map[*session]bool
	contexts  map[uint32]*session // by context number
	table     table
	running   sync.WaitGroup
}

// Serve serves the clients that connect to l until l or the server is closed, and
// then returns nil, or until l fails. When it returns, all clients of l are
// disconnected and their goroutines have ended.
//
// While the readers are stopped ([reader.Set.Stop]), clients are disconnected, and
// new ones get ServiceStopped, as from a pcscd that exits.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]bool)
		s.sessions = make(map[*session]bool)
		s.contexts = make(map[uint32]*session)
	}
	s.listeners[l] = true
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()

	done := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() { s.watch(l, done) })
	err := s.accept(l, &helpers)
	close(done)
	s.disconnect(l)
	helpers.Wait()

	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// accept accepts clients until l fails.
func (s *Server) accept(l net.Listener, helpers *sync.WaitGroup) error {
	pause := time.Millisecond
	for {
		c, err := l.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED) {
			time.Sleep(pause) // until files are closed
			pause = min(2*pause, time.Second)
			continue
		}
		if err != nil {
			return err
		}
		pause = time.Millisecond
		p := &session{server: s, listener: l, net: c, minor: pcsclite.MinMinor}
		if !s.add(p) {
			c.Close()
			continue
		}
		helpers.Go(p.run)
	}
}

// add adds a session, unless there are too many or the server is closed.
func (s *Server) add(p *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.sessions) >= maxSessions {
		return false
	}
	s.sessions[p] = true
	return true
}

// watch disconnects the clients whenever the readers are stopped, and counts the
// readers that are added and removed.
func (s *Server) watch(l net.Listener, done <-chan struct{}) {
	for {
		_, changed, err := s.entries()
		if err != nil {
			s.disconnect(l)
		}
		select {
		case <-changed:
		case <-done:
			return
		}
	}
}

// disconnect ends the sessions of l.
func (s *Server) disconnect(l net.Listener) {
	s.mu.Lock()
	var ended []*session
	for p := range s.sessions {
		if p.listener == l {
			ended = append(ended, p)
		}
	}
	s.mu.Unlock()
	for _, p := range ended {
		p.end()
	}
}

// remove removes a session.
func (s *Server) remove(p *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, p)
	delete(s.contexts, p.context)
}

// Close closes the listeners, disconnects all clients and waits for the calls of
// Serve to return.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}
