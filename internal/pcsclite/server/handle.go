package server

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

// maxHandles is the most card connections of one program, as in pcscd.
const maxHandles = 200

// A handle is one connection of a program: to a card, or in direct mode to a
// reader, be there a card or not.
type handle struct {
	reader string
	conn   *reader.Conn // nil in direct mode
}

// card does the requests about a card connection.
func (p *session) card(q pcsclite.Request) error {
	if m, ok := q.Body.(*pcsclite.Connect); ok {
		m.Result = code(p.connect(m))
		return p.reply(m, nil)
	}
	h := p.owned(handleOf(q.Body))
	if h == nil {
		return errCut
	}
	var data []byte
	switch m := q.Body.(type) {
	case *pcsclite.Reconnect:
		m.Result = code(p.reconnect(h, m))
	case *pcsclite.Disconnect:
		m.Result = code(p.disconnect(h, m))
	case *pcsclite.Status:
		m.Result = code(p.status(h))
	case *pcsclite.Begin:
		m.Result = code(h.begin())
	case *pcsclite.End:
		m.Result = code(h.finish(m.Disposition))
	case *pcsclite.Transmit:
		data = h.transmit(m, q.Data)
	case *pcsclite.Control:
		data = h.control(m, q.Data)
	case *pcsclite.Attribute:
		if q.Command == pcsclite.CmdGetAttribute {
			h.attribute(m)
		} else {
			m.Result = pcsclite.Code(driver.UnsupportedFeature)
		}
	}
	return p.reply(q.Body, data)
}

func handleOf(m pcsclite.Body) uint32 {
	switch m := m.(type) {
	case *pcsclite.Reconnect:
		return m.Card
	case *pcsclite.Disconnect:
		return m.Card
	case *pcsclite.Status:
		return m.Card
	case *pcsclite.Begin:
		return m.Card
	case *pcsclite.End:
		return m.Card
	case *pcsclite.Transmit:
		return m.Card
	case *pcsclite.Control:
		return m.Card
	case *pcsclite.Attribute:
		return m.Card
	}
	return 0
}

// owned is the connection with that number, nil where the program has none.
func (p *session) owned(number uint32) *handle {
	p.books.Lock()
	defer p.books.Unlock()
	return p.handles[number]
}

// dropAll ends the connections of a program that went away. It ends what they
// wait for, too.
func (p *session) dropAll() {
	p.books.Lock()
	handles := p.handles
	p.handles = nil
	p.books.Unlock()
	for _, h := range handles {
		if h.conn != nil {
			h.conn.Drop()
		}
	}
}

// code is the result for the program.
func code(err error) uint32 {
	var no driver.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &no):
		return pcsclite.Code(no)
	}
	return pcsclite.Code(driver.InternalError)
}

// mode is how a program wants to connect.
func mode(share, protocols uint32) (m reader.Mode, direct bool, err error) {
	const any = pcsclite.ProtocolT0 | pcsclite.ProtocolT1
	if share < pcsclite.ShareExclusive || share > pcsclite.ShareDirect {
		return m, false, driver.InvalidParameter
	}
	m = reader.Mode{Exclusive: share == pcsclite.ShareExclusive, NoWait: true}
	if share == pcsclite.ShareDirect {
		return m, true, nil
	}
	switch {
	case protocols&(pcsclite.ProtocolAny|pcsclite.ProtocolRaw) != 0:
	case protocols&any != 0:
		m.Protocols = reader.Protocols(protocols & any)
	default:
		return m, false, driver.ProtoMismatch
	}
	return m, false, nil
}

func (p *session) connect(m *pcsclite.Connect) error {
	if m.Context == 0 || m.Context != p.context {
		return driver.InvalidHandle
	}
	how, direct, err := mode(m.Share, m.Protocols)
	if err != nil {
		return err
	}
	h := &handle{reader: m.Reader}
	if direct {
		err = p.exists(h.reader)
	} else {
		h.conn, err = p.server.Readers.Connect(h.reader, how)
	}
	if err != nil {
		return err
	}
	if !p.add(h, &m.Card) {
		if h.conn != nil {
			h.conn.Drop()
		}
		return driver.NoMemory
	}
	m.Protocol = h.protocol()
	return nil
}

// add gives a connection a number, unless the program has too many or is gone.
func (p *session) add(h *handle, number *uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.books.Lock()
	defer p.books.Unlock()
	if p.ended || len(p.handles) >= maxHandles {
		return false
	}
	if p.handles == nil {
		p.handles = make(map[uint32]*handle)
	}
	n := rand.Uint32() >> 1
	for n == 0 || p.handles[n] != nil {
		n = rand.Uint32() >> 1
	}
	p.handles[n] = h
	*number = n
	return true
}

// exists reports why there can be no direct connection to a reader.
func (p *session) exists(name string) error {
	states, _, err := p.server.Readers.Snapshot()
	if err != nil {
		return err
	}
	for _, st := range states {
		switch {
		case st.Name != name:
		case st.Sharing < 0:
			return driver.SharingViolation
		default:
			return nil
		}
	}
	return driver.UnknownReader
}

func (h *handle) protocol() uint32 {
	if h.conn == nil {
		return 0
	}
	return uint32(h.conn.Protocol())
}

func (p *session) reconnect(h *handle, m *pcsclite.Reconnect) error {
	how, direct, err := mode(m.Share, m.Protocols)
	if err != nil {
		return err
	}
	switch {
	case direct && h.conn == nil:
		err = p.exists(h.reader)
	case h.conn == nil:
		err = p.attach(h, how)
	default:
		// A context that has ended: the program waits, not we.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err = h.conn.Reconnect(ctx, how, disposition(m.Disposition)); errors.Is(err, context.Canceled) {
			err = driver.SharingViolation
		}
	}
	m.Protocol = h.protocol()
	return err
}

// attach makes a direct connection one to the card.
func (p *session) attach(h *handle, how reader.Mode) error {
	conn, err := p.server.Readers.Connect(h.reader, how)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		conn.Drop()
		return errCut
	}
	p.books.Lock()
	defer p.books.Unlock()
	h.conn = conn
	return nil
}

func (p *session) disconnect(h *handle, m *pcsclite.Disconnect) error {
	var err error
	if h.conn != nil {
		err = h.conn.Close(disposition(m.Disposition))
	}
	p.books.Lock()
	defer p.books.Unlock()
	delete(p.handles, m.Card)
	return err
}

// status is why a connection cannot be used.
func (p *session) status(h *handle) error {
	if h.conn == nil {
		return p.exists(h.reader)
	}
	_, err := h.conn.Status()
	return err
}

func (h *handle) begin() error {
	if h.conn == nil {
		return nil // there is nothing that others could do meanwhile
	}
	return h.conn.Begin(context.Background())
}

func (h *handle) finish(d uint32) error {
	if h.conn == nil {
		return nil
	}
	return h.conn.End(disposition(d))
}

// disposition takes what we cannot do, eject, as nothing, as do readers without
// a motor.
func disposition(d uint32) reader.Disposition {
	switch d {
	case pcsclite.Reset:
		return reader.Reset
	case pcsclite.Unpower:
		return reader.Unpower
	}
	return reader.Leave
}
