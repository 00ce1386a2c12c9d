package server_test

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMalformedRequestDisconnects(t *testing.T) {
	set, _ := newSet(t)
	path := serve(t, &server.Server{Readers: set})
	other := establish(t, path, 4)
	foreign := other.connect()
	header := func(size uint32, cmd pcsclite.Command, body int) []byte {
		return append(pcsclite.Append(nil, &pcsclite.Header{Size: size, Command: cmd}), make([]byte, body)...)
	}
	request := func(cmd pcsclite.Command, m pcsclite.Body) []byte {
		return pcsclite.AppendRequest(nil, pcsclite.Request{Command: cmd, Body: m})
	}
	tests := map[string][]byte{
		"body too short":                    header(7, pcsclite.CmdBegin, 7),
		"body too long":                     header(9, pcsclite.CmdBegin, 9),
		"unknown command":                   header(0, 0x63, 0),
		"data too long":                     request(pcsclite.CmdTransmit, &pcsclite.Transmit{SendLength: 1 << 30}),
		"attribute longer than its field":   header(280, pcsclite.CmdGetAttribute, 0),
		"handle of another client: begin":   request(pcsclite.CmdBegin, &pcsclite.Begin{Card: foreign}),
		"handle of another client: end":     request(pcsclite.CmdEnd, &pcsclite.End{Card: foreign}),
		"handle of another client: status":  request(pcsclite.CmdStatus, &pcsclite.Status{Card: foreign}),
		"handle of another client: control": request(pcsclite.CmdControl, &pcsclite.Control{Card: foreign}),
		"handle of another client: attribute": request(pcsclite.CmdGetAttribute,
			&pcsclite.Attribute{Card: foreign}),
		"handle of another client: reconnect": request(pcsclite.CmdReconnect,
			&pcsclite.Reconnect{Card: foreign, Disposition: pcsclite.Reset}),
		"handle of another client: disconnect": request(pcsclite.CmdDisconnect,
			&pcsclite.Disconnect{Card: foreign, Disposition: pcsclite.Reset}),
		"handle of another client: transmit": request(pcsclite.CmdTransmit, &pcsclite.Transmit{Card: foreign}),
		"handle 0":                           request(pcsclite.CmdBegin, &pcsclite.Begin{}),
	}
	long := tests["attribute longer than its field"]
	for range 280 {
		long = append(long, 0xFF)
	}
	tests["attribute longer than its field"] = long
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			p := establish(t, path, 4)
			_, err := p.net.Write(b)
			require.NoError(t, err)
			p.checkDisconnected()
		})
	}
	assert.NoError(t, other.status(foreign), "another client is affected")
}

func TestDisconnectedClientReleasesCard(t *testing.T) {
	ends := map[string]func(p *program){
		"connection closed": func(p *program) { p.net.Close() },
		"context released": func(p *program) {
			m := pcsclite.Release{Context: p.context}
			p.call(pcsclite.CmdRelease, &m)
			assert.Zero(t, m.Result)
		},
	}
	for name, end := range ends {
		t.Run("transaction, "+name, func(t *testing.T) {
			set, card := newSet(t)
			path := serve(t, &server.Server{Readers: set})
			p, q := establish(t, path, 4), establish(t, path, 4)
			held, other := p.connect(), q.connect()
			require.NoError(t, p.begin(held))
			require.Equal(t, driver.SharingViolation, q.begin(other))
			before := card.resets.Load()
			end(p)
			assert.Eventually(t, func() bool { return q.begin(other) == driver.ResetCard }, 5*time.Second, time.Millisecond)
			assert.Equal(t, before+1, card.resets.Load())
		})
		t.Run("no transaction, "+name, func(t *testing.T) {
			set, card := newSet(t)
			path := serve(t, &server.Server{Readers: set})
			p, q := establish(t, path, 4), establish(t, path, 4)
			p.connect()
			other := q.connect()
			before := card.resets.Load()
			end(p)
			assert.Eventually(t, func() bool {
				q.send(pcsclite.Request{Command: pcsclite.CmdReaders})
				return q.table(16)[0].Sharing == 1
			}, 5*time.Second, time.Millisecond)
			assert.NoError(t, q.begin(other))
			assert.Equal(t, before, card.resets.Load())
		})
	}
}

func TestReleaseContextOnce(t *testing.T) {
	p := establish(t, serve(t, &server.Server{Readers: reader.New()}), 4)
	m := pcsclite.Release{Context: p.context + 1}
	p.call(pcsclite.CmdRelease, &m)
	assert.Equal(t, driver.InvalidHandle, pcsclite.Errno(m.Result))
	m.Context = p.context
	p.call(pcsclite.CmdRelease, &m)
	assert.Zero(t, m.Result)
	p.call(pcsclite.CmdRelease, &m)
	assert.Equal(t, driver.InvalidHandle, pcsclite.Errno(m.Result))

	e := pcsclite.Establish{Scope: pcsclite.ScopeSystem}
	p.call(pcsclite.CmdEstablish, &e)
	assert.NotZero(t, e.Context)
}

func TestHandlesAreLimited(t *testing.T) {
	set, _ := newSet(t)
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	for range 200 {
		p.connect()
	}
	for _, share := range []uint32{pcsclite.ShareShared, pcsclite.ShareDirect} {
		m := p.tryConnect("R", share, anyProtocol)
		assert.Equal(t, driver.NoMemory, pcsclite.Errno(m.Result))
	}
	p.send(pcsclite.Request{Command: pcsclite.CmdReaders})
	assert.EqualValues(t, 200, p.table(16)[0].Sharing)
}

func TestClientsAreLimited(t *testing.T) {
	path := serve(t, &server.Server{Readers: reader.New()})
	var all []*program
	for range 256 {
		all = append(all, establish(t, path, 4))
	}
	dial(t, path).checkDisconnected()
	all[100].net.Close()
	assert.Eventually(t, func() bool {
		c, err := net.Dial("unix", path)
		require.NoError(t, err)
		defer c.Close()
		c.Write(pcsclite.AppendRequest(nil, pcsclite.Request{Command: pcsclite.CmdReadersSize}))
		return pcsclite.ReadResponse(c, new(pcsclite.ReadersSize)) == nil
	}, 5*time.Second, time.Millisecond)
}

func TestStoppedReaders(t *testing.T) {
	set, _ := newSet(t)
	path := serve(t, &server.Server{Readers: set})
	p, waiting := establish(t, path, 4), establish(t, path, 4)
	p.connect()
	waiting.wait()
	set.Stop()
	p.checkDisconnected()
	_, err := io.ReadAll(waiting.net) // possibly after the event
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	refused := dial(t, path)
	v := pcsclite.Version{Major: 4, Minor: 4}
	refused.call(pcsclite.CmdVersion, &v)
	assert.Equal(t, pcsclite.Version{Major: 4, Minor: 4, Result: uint32(driver.ServiceStopped)}, v)
	refused.checkDisconnected()
	set.Start()
	establish(t, path, 4).connect()
}

// waitGoroutines waits until there are at most as many goroutines as before.
func waitGoroutines(t *testing.T, before int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		<-tick.C
	}
	all := make([]byte, 1<<16)
	assert.Fail(t, "goroutines remain", "%s", all[:runtime.Stack(all, true)])
}

func TestCloseEndsGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	set, _ := newSet(t)
	s := &server.Server{Readers: set}
	served := make(chan error, 2)
	dir, err := os.MkdirTemp("", "pcsc")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	for _, name := range []string{"/a", "/b"} {
		l, err := net.Listen("unix", dir+name)
		require.NoError(t, err)
		go func() { served <- s.Serve(l) }()
	}
	holder, waiting, resetting := establish(t, dir+"/a", 4), establish(t, dir+"/b", 6), establish(t, dir+"/a", 4)
	h := holder.connect()
	require.NoError(t, holder.begin(h))
	waiting.send(pcsclite.Request{Command: pcsclite.CmdWait})
	resetting.send(pcsclite.Request{
		Command: pcsclite.CmdDisconnect,
		Body:    &pcsclite.Disconnect{Card: resetting.connect(), Disposition: pcsclite.Reset},
	}) // waits for the transaction

	require.NoError(t, s.Close())
	assert.NoError(t, <-served)
	assert.NoError(t, <-served)
	holder.checkDisconnected()
	_, err = io.ReadAll(resetting.net) // possibly after the response
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	waitGoroutines(t, before)

	l, err := net.Listen("unix", dir+"/c")
	require.NoError(t, err)
	defer l.Close()
	assert.NoError(t, s.Serve(l), "Serve after Close")
}

func TestServeEndsWithListener(t *testing.T) {
	set, _ := newSet(t)
	s := &server.Server{Readers: set}
	path := serve(t, s)
	remaining := establish(t, path, 4)

	l, err := net.Listen("unix", path+"2")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	disconnected := establish(t, path+"2", 4)
	require.NoError(t, l.Close())
	assert.NoError(t, <-served)
	disconnected.checkDisconnected()
	assert.NoError(t, remaining.status(remaining.connect()))
}

// brokenListener fails.
type brokenListener struct{ net.Listener }

var errBroken = errors.New("broken")

func (brokenListener) Accept() (net.Conn, error) { return nil, errBroken }

func TestServeReturnsListenerError(t *testing.T) {
	s := &server.Server{Readers: reader.New()}
	assert.Equal(t, errBroken, s.Serve(brokenListener{}))
}
