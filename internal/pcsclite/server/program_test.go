package server_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A counter is a card that counts resets, and commands since the last one.
type counter struct {
	commands, resets atomic.Int32
}

func (c *counter) ATR() []byte { return []byte{0x3B, 0x80, 0x80, 1, 1} }

func (c *counter) Reset() {
	c.commands.Store(0)
	c.resets.Add(1)
}

func (c *counter) Transmit(command []byte) []byte {
	if command[1] == 0xCB { // the longest response
		return append(make([]byte, 65536), 0x90, 0)
	}
	return []byte{byte(c.commands.Add(1)), 0x90, 0}
}

// serve serves the readers and returns the path of the socket.
func serve(t *testing.T, s *server.Server) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pcsc") // t.TempDir is too long for a socket
	require.NoError(t, err)
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		assert.NoError(t, <-served)
		assert.NoError(t, os.RemoveAll(dir))
	})
	return path
}

// newSet returns a set with a card in reader R that is not powered down.
func newSet(t *testing.T) (*reader.Set, *counter) {
	t.Helper()
	set, card := reader.New("R"), new(counter)
	set.PowerDown = time.Hour
	require.NoError(t, set.Insert("R", card))
	return set, card
}

// A program is a client that sends requests one by one.
type program struct {
	*testing.T
	net     net.Conn
	context uint32
}

func dial(t *testing.T, path string) *program {
	t.Helper()
	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return &program{T: t, net: c}
}

// establish connects by version 4.minor and establishes a context.
func establish(t *testing.T, path string, minor uint32) *program {
	t.Helper()
	p := dial(t, path)
	v := pcsclite.Version{Major: 4, Minor: minor}
	p.call(pcsclite.CmdVersion, &v)
	require.Zero(t, v.Result)
	require.Equal(t, minor, v.Minor)
	e := pcsclite.Establish{Scope: pcsclite.ScopeSystem}
	p.call(pcsclite.CmdEstablish, &e)
	require.Zero(t, e.Result)
	require.NotZero(t, e.Context)
	p.context = e.Context
	return p
}

func (p *program) send(q pcsclite.Request) {
	p.Helper()
	_, err := p.net.Write(pcsclite.AppendRequest(nil, q))
	require.NoError(p, err)
}

func (p *program) read(m pcsclite.Body) {
	p.Helper()
	require.NoError(p, pcsclite.ReadResponse(p.net, m))
}

func (p *program) call(cmd pcsclite.Command, m pcsclite.Body) {
	p.Helper()
	p.send(pcsclite.Request{Command: cmd, Body: m})
	p.read(m)
}

// query sends a command without a body and reads the response.
func (p *program) query(cmd pcsclite.Command, m pcsclite.Body) {
	p.Helper()
	p.send(pcsclite.Request{Command: cmd})
	p.read(m)
}

// table reads n entries.
func (p *program) table(n int) []pcsclite.ReaderState {
	p.Helper()
	table, err := pcsclite.ReadTable(p.net, n)
	require.NoError(p, err)
	return table
}

// checkDisconnected checks that the server has closed the connection.
func (p *program) checkDisconnected() {
	p.Helper()
	_, err := io.ReadFull(p.net, make([]byte, 1))
	assert.Error(p, err)
	assert.NotErrorIs(p, err, os.ErrDeadlineExceeded)
}

// checkSilent checks that the server sent nothing else: the next response is that to
// the next request.
func (p *program) checkSilent() {
	p.Helper()
	m := pcsclite.Cancel{Context: 0}
	p.call(pcsclite.CmdCancel, &m)
	assert.Equal(p, driver.InvalidHandle, pcsclite.Errno(m.Result), "unexpected message")
}

func (p *program) tryConnect(name string, share, protocols uint32) pcsclite.Connect {
	p.Helper()
	m := pcsclite.Connect{Context: p.context, Reader: name, Share: share, Protocols: protocols}
	p.call(pcsclite.CmdConnect, &m)
	return m
}

// connect connects to the card in reader R, shared.
func (p *program) connect() uint32 {
	p.Helper()
	m := p.tryConnect("R", pcsclite.ShareShared, pcsclite.ProtocolT0|pcsclite.ProtocolT1)
	require.Zero(p, m.Result)
	require.EqualValues(p, pcsclite.ProtocolT1, m.Protocol)
	return m.Card
}

func (p *program) begin(card uint32) error {
	p.Helper()
	m := pcsclite.Begin{Card: card}
	p.call(pcsclite.CmdBegin, &m)
	return pcsclite.Errno(m.Result)
}

func (p *program) end(card, disposition uint32) error {
	p.Helper()
	m := pcsclite.End{Card: card, Disposition: disposition}
	p.call(pcsclite.CmdEnd, &m)
	return pcsclite.Errno(m.Result)
}

func (p *program) disconnect(card, disposition uint32) error {
	p.Helper()
	m := pcsclite.Disconnect{Card: card, Disposition: disposition}
	p.call(pcsclite.CmdDisconnect, &m)
	return pcsclite.Errno(m.Result)
}

func (p *program) status(card uint32) error {
	p.Helper()
	m := pcsclite.Status{Card: card}
	p.call(pcsclite.CmdStatus, &m)
	return pcsclite.Errno(m.Result)
}

func (p *program) transmitAs(protocol, card uint32, command []byte, size uint32) (pcsclite.Transmit, []byte) {
	p.Helper()
	m := pcsclite.Transmit{Card: card, SendProtocol: protocol, SendLength: uint32(len(command)), ReceiveLength: size}
	p.send(pcsclite.Request{Command: pcsclite.CmdTransmit, Body: &m, Data: command})
	p.read(&m)
	if m.Result != 0 {
		return m, nil
	}
	response, err := pcsclite.ReadData(p.net, int(m.ReceiveLength))
	require.NoError(p, err)
	return m, response
}

// count sends a command and returns the number of commands since the last reset.
func (p *program) count(card uint32) (int, error) {
	p.Helper()
	m, response := p.transmitAs(pcsclite.ProtocolT1, card, []byte{0, 1, 0, 0}, pcsclite.MaxData)
	if m.Result != 0 {
		return 0, pcsclite.Errno(m.Result)
	}
	require.Len(p, response, 3)
	return int(response[0]), nil
}
