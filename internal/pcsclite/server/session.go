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

// A session is one connection of a program: one context, its card connections,
// its wait. Its requests are done one after the other.
type session struct {
	server   *Server
	listener net.Listener
	net      net.Conn

	// Of the goroutine that runs the session.
	minor   uint32
	context uint32 // 0 before it is established
	helpers sync.WaitGroup

	mu    sync.Mutex // guards writing to net, and what follows
	wait  *wait      // nil while the program does not wait
	ended bool

	books   sync.Mutex // guards what follows
	handles map[uint32]*handle
}

// errCut ends a session for what the program did.
var errCut = errors.New("cut off")

// run serves the program until it goes away or is cut off.
func (p *session) run() {
	defer p.server.forget(p)
	defer p.helpers.Wait()
	defer p.end()
	for {
		q, err := pcsclite.ReadRequest(p.net)
		if err == nil {
			err = p.handle(q)
			clear(q.Data) // there may be a PIN in it
		}
		if err != nil {
			return // the program is gone, or has to go
		}
	}
}

// end cuts the program off and lets go of all that it has. It may come from
// outside, while a request is being done.
func (p *session) end() {
	p.net.Close()
	p.mu.Lock()
	p.ended = true
	p.stopWaiting()
	p.mu.Unlock()
	p.dropAll()
}

// handle does one request. An error ends the session.
func (p *session) handle(q pcsclite.Request) error {
	switch m := q.Body.(type) {
	case *pcsclite.Version:
		p.agree(m)
	case *pcsclite.Establish:
		m.Context, m.Result = p.establish(), 0
	case *pcsclite.Release:
		m.Result = p.release(m.Context)
	case *pcsclite.Cancel:
		m.Result = p.server.cancel(m.Context)
	case nil:
		return p.tell(q.Command)
	default:
		return p.card(q)
	}
	return p.reply(q.Body, nil)
}

// tell does the requests about readers.
func (p *session) tell(cmd pcsclite.Command) error {
	switch cmd {
	case pcsclite.CmdWait:
		return p.startWait()
	case pcsclite.CmdStopWaiting:
		return p.answerWait(nil, 0)
	case pcsclite.CmdReaderEvents:
		return p.reply(&pcsclite.ReaderEvents{Events: p.server.readerEvents()}, nil)
	}
	entries, _, err := p.server.entries()
	if err != nil {
		return err
	}
	switch cmd {
	case pcsclite.CmdReaders:
		entries = entries[:pcsclite.FixedReaders]
	case pcsclite.CmdReadersSize:
		return p.reply(&pcsclite.ReadersSize{Entries: uint32(len(entries))}, nil)
	case pcsclite.CmdReadersArray:
		defer p.tableSent()
	default:
		return errCut
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.write(pcsclite.AppendTable(nil, entries))
}

// agree settles the version: the lower of both, if the program is not too old.
func (p *session) agree(m *pcsclite.Version) {
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
}

func (p *session) establish() uint32 {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.contexts, p.context)
	for p.context == 0 || s.contexts[p.context] != nil {
		p.context = rand.Uint32() >> 1 // a positive number, as pcscd's
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

// reply sends an answer, and data of card or reader after it.
func (p *session) reply(m pcsclite.Body, data []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.write(append(pcsclite.Append(nil, m), data...))
}

// patience is how long a program may leave an answer unread.
const patience = 10 * time.Second

// write is called with mu held.
func (p *session) write(b []byte) error {
	p.net.SetWriteDeadline(time.Now().Add(patience))
	if _, err := p.net.Write(b); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}
