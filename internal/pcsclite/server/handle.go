package server

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

// maxHandles is the maximum number of handles of one client, as in pcscd.
const maxHandles = 200

// A handle is a connection of a client to a card or, in direct mode, to a reader.
type handle struct {
	reader string
	conn   *reader.Conn // nil in direct mode
}

// handleCard handles a request about a connection to a card.
func (p *session) handleCard(q pcsclite.Request) error {
	if m, ok := q.Body.(*pcsclite.Connect); ok {
		m.Result = code(p.connect(m))
		return p.respond(m, nil)
	}
	h := p.lookup(handleOf(q.Body))
	if h == nil {
		return errRefused
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
		m.Result = code(h.end(m.Disposition))
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
	return p.respond(q.Body, data)
}

// handleOf returns the number of the handle in a request.
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

// lookup returns the handle with that number, nil if the client has none.
func (p *session) lookup(number uint32) *handle {
	p.handleMu.Lock()
	defer p.handleMu.Unlock()
	return p.handles[number]
}

// dropAll ends all connections of the client, and the calls that wait on them.
func (p *session) dropAll() {
	p.handleMu.Lock()
	handles := p.handles
	p.handles = nil
	p.handleMu.Unlock()
	for _, h := range handles {
		if h.conn != nil {
			h.conn.Drop()
		}
	}
}

// code returns the result for an error.
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

// mode converts a share mode and protocols.
func mode(share, protocols uint32) (m reader.Mode, direct bool, err error) {
	const both = pcsclite.ProtocolT0 | pcsclite.ProtocolT1
	if share < pcsclite.ShareExclusive || share > pcsclite.ShareDirect {
		return m, false, driver.InvalidParameter
	}
	m = reader.Mode{Exclusive: share == pcsclite.ShareExclusive, NoWait: true}
	if share == pcsclite.ShareDirect {
		return m, true, nil
	}
	switch {
	case protocols&(pcsclite.ProtocolAny|pcsclite.ProtocolRaw) != 0:
	case protocols&both != 0:
		m.Protocols = reader.Protocols(protocols & both)
	default:
		return m, false, driver.ProtoMismatch
	}
	return m, false, nil
}

func (p *session) connect(m *pcsclite.Connect) error {
	if m.Context == 0 || m.Context != p.context {
		return driver.InvalidHandle
	}
	mode, direct, err := mode(m.Share, m.Protocols)
	if err != nil {
		return err
	}
	h := &handle{reader: m.Reader}
	if direct {
		err = p.checkDirect(h.reader)
	} else {
		h.conn, err = p.server.Readers.Connect(h.reader, mode)
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

// add assigns a number to a handle. It returns false if the client has too many
// handles or has disconnected.
func (p *session) add(h *handle, number *uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handleMu.Lock()
	defer p.handleMu.Unlock()
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

// checkDirect returns why a direct connection to a reader is not possible.
func (p *session) checkDirect(name string) error {
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
	mode, direct, err := mode(m.Share, m.Protocols)
	if err != nil {
		return err
	}
	switch {
	case direct && h.conn == nil:
		err = p.checkDirect(h.reader)
	case h.conn == nil:
		err = p.attach(h, mode)
	default:
		// The context has ended: the client repeats the call, the server
		// does not wait.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err = h.conn.Reconnect(ctx, mode, disposition(m.Disposition)); errors.Is(err, context.Canceled) {
			err = driver.SharingViolation
		}
	}
	m.Protocol = h.protocol()
	return err
}

// attach turns a direct connection into one to the card.
func (p *session) attach(h *handle, mode reader.Mode) error {
	conn, err := p.server.Readers.Connect(h.reader, mode)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		conn.Drop()
		return errRefused
	}
	p.handleMu.Lock()
	defer p.handleMu.Unlock()
	h.conn = conn
	return nil
}

func (p *session) disconnect(h *handle, m *pcsclite.Disconnect) error {
	var err error
	if h.conn != nil {
		err = h.conn.Close(disposition(m.Disposition))
	}
	p.handleMu.Lock()
	defer p.handleMu.Unlock()
	delete(p.handles, m.Card)
	return err
}

// status returns why a connection cannot be used.
func (p *session) status(h *handle) error {
	if h.conn == nil {
		return p.checkDirect(h.reader)
	}
	_, err := h.conn.Status()
	return err
}

func (h *handle) begin() error {
	if h.conn == nil {
		return nil // a direct connection locks out no other
	}
	return h.conn.Begin(context.Background())
}

func (h *handle) end(d uint32) error {
	if h.conn == nil {
		return nil
	}
	return h.conn.End(disposition(d))
}

// disposition treats SCARD_EJECT_CARD as SCARD_LEAVE_CARD, as readers without a
// motor do.
func disposition(d uint32) reader.Disposition {
	switch d {
	case pcsclite.Reset:
		return reader.Reset
	case pcsclite.Unpower:
		return reader.Unpower
	}
	return reader.Leave
}
