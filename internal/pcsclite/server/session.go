package server

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// A session is a connection of a client, with one context, its handles and its
// wait. Requests are handled one after the other.
type session struct {
	server   *Server
	listener net.Listener
	net      net.Conn

	// Used by the goroutine that runs the session.
	minor   uint32
	context uint32 // 0 before it is established
	helpers sync.WaitGroup

	mu    sync.Mutex // guards writes to net, and what follows
	wait  *wait      // nil while the client does not wait
	ended bool

	handleMu sync.Mutex // guards what follows
	handles  map[uint32]*handle
}

// errRefused ends a session because of a request.
var errRefused = errors.New("request refused")

// run handles requests until the client disconnects or is disconnected.
func (p *session) run() {
	defer p.server.remove(p)
	defer p.helpers.Wait()
	defer p.end()
	for {
		q, err := pcsclite.ReadRequest(p.net)
		if err == nil {
			err = p.handle(q)
			clear(q.Data) // may contain a PIN
		}
		if err != nil {
			return
		}
	}
}

// end disconnects the client and drops its handles. It may be called while a
// request is handled.
func (p *session) end() {
	p.net.Close()
	p.mu.Lock()
	p.ended = true
	p.stopWaiting()
	p.mu.Unlock()
	p.dropAll()
}

// handle handles one request. An error ends the session.
func (p *session) handle(q pcsclite.Request) error {
	switch m := q.Body.(type) {
	case *pcsclite.Version:
		if err := p.negotiate(m); err != nil {
			return errors.Join(err, p.respond(m, nil))
		}
	case *pcsclite.Establish:
		m.Context, m.Result = p.establish(), 0
	case *pcsclite.Release:
		m.Result = p.release(m.Context)
	case *pcsclite.Cancel:
		m.Result = p.server.cancel(m.Context)
	case nil:
		return p.handleReaders(q.Command)
	default:
		return p.handleCard(q)
	}
	return p.respond(q.Body, nil)
}

// handleReaders handles a request without a body; all of them are about readers.
func (p *session) handleReaders(cmd pcsclite.Command) error {
	switch cmd {
	case pcsclite.CmdWait:
		return p.startWait()
	case pcsclite.CmdStopWaiting:
		return p.endWait(nil, 0)
	case pcsclite.CmdReaderEvents:
		return p.respond(&pcsclite.ReaderEvents{Events: p.server.readerEvents()}, nil)
	}
	entries, _, err := p.server.entries()
	if err != nil {
		return err
	}
	switch cmd {
	case pcsclite.CmdReaders:
		entries = entries[:pcsclite.FixedReaders]
	case pcsclite.CmdReadersSize:
		return p.respond(&pcsclite.ReadersSize{Entries: uint32(len(entries))}, nil)
	case pcsclite.CmdReadersArray:
		defer p.allowEvent()
	default:
		return errRefused
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.write(pcsclite.AppendTable(nil, entries))
}

// negotiate sets the version to the lower of both, unless the client is too old.
// The error is that of stopped readers.
func (p *session) negotiate(m *pcsclite.Version) error {
	if _, _, err := p.server.Readers.Snapshot(); err != nil {
		m.Result = pcsclite.Code(driver.ServiceStopped)
		return err
	}
	newest := p.server.Minor
	if newest == 0 {
		newest = pcsclite.MaxMinor
	}
	m.Result = 0
	if m.Major != pcsclite.Major || m.Minor < pcsclite.MinMinor || p.server.Strict && m.Minor != newest {
		m.Result = pcsclite.Code(driver.ServiceStopped)
		if !p.server.Strict && m.Minor < pcsclite.MinMinor {
			newest = pcsclite.MinMinor
		}
	} else {
		newest = min(newest, m.Minor)
		p.minor = newest
	}
	m.Major, m.Minor = pcsclite.Major, newest
	return nil
}

func (p *session) establish() uint32 {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.contexts, p.context)
	for p.context == 0 || s.contexts[p.context] != nil {
		p.context = rand.Uint32() >> 1 // positive as an int32, as in pcscd
	}
	s.contexts[p.context] = p
	return p.context
}

func (p *session) release(context uint32) uint32 {
	if context == 0 || context != p.context {
		return pcsclite.Code(driver.InvalidHandle)
	}
	p.dropAll()
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.contexts, p.context)
	p.context = 0
	return 0
}

// respond sends a response, followed by data from the card or reader.
func (p *session) respond(m pcsclite.Body, data []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.write(append(pcsclite.Append(nil, m), data...))
}

// writeTimeout is how long a client may take to read a response.
const writeTimeout = 10 * time.Second

// write writes to the client. The caller holds mu.
func (p *session) write(b []byte) error {
	p.net.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := p.net.Write(b); err != nil {
		return fmt.Errorf("write response: %w", err)
	}
	return nil
}
