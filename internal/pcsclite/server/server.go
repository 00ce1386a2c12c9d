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

// maxSessions is the most programs that are served at once, as many as pcscd
// takes and some.
const maxSessions = 256

// A Server serves readers. Only Readers is needed.
type Server struct {
	Readers *reader.Set

	// Minor is the newest version 4.Minor to speak, 0 the newest there is.
	// Programs that ask for a newer one get it, and have to make do.
	Minor uint32

	// Strict refuses every version but 4.Minor, as pcscd does before 2.4.1.
	Strict bool

	mu        sync.Mutex // guards what follows
	closed    bool
	listeners map[net.Listener]bool
	sessions  map[*session]bool
	contexts  map[uint32]*session // by their handles
	table     table
	running   sync.WaitGroup
}

// Serve serves the programs that connect to l until l or the server is closed,
// and returns nil then; or else with the error of l. When it returns, the
// programs are cut off and no goroutine is left. Stop and Start of the readers
// are to programs as if the service ended and came back.
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

	over := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() { s.watch(l, over) })
	err := s.accept(l, &helpers)
	close(over)
	s.cut(l)
	helpers.Wait()

	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// accept takes in programs until l fails.
func (s *Server) accept(l net.Listener, helpers *sync.WaitGroup) error {
	pause := time.Millisecond
	for {
		c, err := l.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED) {
			time.Sleep(pause) // until others close files
			pause = min(2*pause, time.Second)
			continue
		}
		if err != nil {
			return err
		}
		pause = time.Millisecond
		p := &session{server: s, listener: l, net: c, minor: pcsclite.MinMinor}
		if !s.admit(p) {
			c.Close()
			continue
		}
		helpers.Go(p.run)
	}
}

// admit takes a program into the books, unless there are too many or the
// service is stopped.
func (s *Server) admit(p *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, _, err := s.Readers.Snapshot(); err != nil || s.closed || len(s.sessions) >= maxSessions {
		return false
	}
	s.sessions[p] = true
	return true
}

// watch cuts the programs off whenever the readers are stopped, and keeps count
// of readers that come and go.
func (s *Server) watch(l net.Listener, over <-chan struct{}) {
	for {
		_, changed, err := s.entries()
		if err != nil {
			s.cut(l)
		}
		select {
		case <-changed:
		case <-over:
			return
		}
	}
}

// cut ends the programs that came by l.
func (s *Server) cut(l net.Listener) {
	s.mu.Lock()
	var cut []*session
	for p := range s.sessions {
		if p.listener == l {
			cut = append(cut, p)
		}
	}
	s.mu.Unlock()
	for _, p := range cut {
		p.end()
	}
}

// forget takes a program out of the books.
func (s *Server) forget(p *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, p)
	delete(s.contexts, p.context)
}

// Close closes the listeners, cuts off all programs and waits for the calls of
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
