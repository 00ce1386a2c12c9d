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

func TestWhoSendsNoRequestIsCut(t *testing.T) {
	set, _ := one(t)
	path := serve(t, &server.Server{Readers: set})
	stranger := hello(t, path, 4)
	foreign := stranger.connect()
	header := func(size uint32, cmd pcsclite.Command, body int) []byte {
		return append(pcsclite.Append(nil, &pcsclite.Header{Size: size, Command: cmd}), make([]byte, body)...)
	}
	request := func(cmd pcsclite.Command, m pcsclite.Body) []byte {
		return pcsclite.AppendRequest(nil, pcsclite.Request{Command: cmd, Body: m})
	}
	tests := map[string][]byte{
		"body too short":                   header(7, pcsclite.CmdBegin, 7),
		"body too long":                    header(9, pcsclite.CmdBegin, 9),
		"command that does not exist":      header(0, 0x63, 0),
		"more data than there can be":      request(pcsclite.CmdTransmit, &pcsclite.Transmit{SendLength: 1 << 30}),
		"attribute longer than its field":  header(280, pcsclite.CmdGetAttribute, 0),
		"card of another program: begin":   request(pcsclite.CmdBegin, &pcsclite.Begin{Card: foreign}),
		"card of another program: end":     request(pcsclite.CmdEnd, &pcsclite.End{Card: foreign}),
		"card of another program: status":  request(pcsclite.CmdStatus, &pcsclite.Status{Card: foreign}),
		"card of another program: control": request(pcsclite.CmdControl, &pcsclite.Control{Card: foreign}),
		"card of another program: attribute": request(pcsclite.CmdGetAttribute,
			&pcsclite.Attribute{Card: foreign}),
		"card of another program: reconnect": request(pcsclite.CmdReconnect,
			&pcsclite.Reconnect{Card: foreign, Disposition: pcsclite.Reset}),
		"card of another program: disconnect": request(pcsclite.CmdDisconnect,
			&pcsclite.Disconnect{Card: foreign, Disposition: pcsclite.Reset}),
		"card of another program: transmit": request(pcsclite.CmdTransmit, &pcsclite.Transmit{Card: foreign}),
		"card 0":                            request(pcsclite.CmdBegin, &pcsclite.Begin{}),
	}
	long := tests["attribute longer than its field"]
	for range 280 {
		long = append(long, 0xFF)
	}
	tests["attribute longer than its field"] = long
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			p := hello(t, path, 4)
			_, err := p.net.Write(b)
			require.NoError(t, err)
			p.cut()
		})
	}
	assert.NoError(t, stranger.status(foreign), "others notice nothing")
}

func TestDeadProgramLetsGo(t *testing.T) {
	ends := map[string]func(p *program){
		"by its death": func(p *program) { p.net.Close() },
		"by release": func(p *program) {
			m := pcsclite.Release{Context: p.context}
			p.call(pcsclite.CmdRelease, &m)
			assert.Zero(t, m.Result)
		},
	}
	for name, end := range ends {
		t.Run("card held, "+name, func(t *testing.T) {
			set, card := one(t)
			path := serve(t, &server.Server{Readers: set})
			p, q := hello(t, path, 4), hello(t, path, 4)
			held, other := p.connect(), q.connect()
			require.NoError(t, p.begin(held))
			require.Equal(t, driver.SharingViolation, q.begin(other))
			before := card.resets.Load()
			end(p)
			assert.Eventually(t, func() bool { return q.begin(other) == driver.ResetCard }, 5*time.Second, time.Millisecond)
			assert.Equal(t, before+1, card.resets.Load())
		})
		t.Run("card not held, "+name, func(t *testing.T) {
			set, card := one(t)
			path := serve(t, &server.Server{Readers: set})
			p, q := hello(t, path, 4), hello(t, path, 4)
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

func TestContextsAreReleasedOnce(t *testing.T) {
	p := hello(t, serve(t, &server.Server{Readers: reader.New()}), 4)
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

func TestCardsOfAProgramAreLimited(t *testing.T) {
	set, _ := one(t)
	p := hello(t, serve(t, &server.Server{Readers: set}), 4)
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

func TestProgramsAreLimited(t *testing.T) {
	path := serve(t, &server.Server{Readers: reader.New()})
	var all []*program
	for range 256 {
		all = append(all, hello(t, path, 4))
	}
	dial(t, path).cut()
	all[100].net.Close()
	assert.Eventually(t, func() bool {
		c, err := net.Dial("unix", path)
		require.NoError(t, err)
		defer c.Close()
		c.Write(pcsclite.AppendRequest(nil, pcsclite.Request{Command: pcsclite.CmdReadersSize}))
		return pcsclite.ReadResponse(c, new(pcsclite.ReadersSize)) == nil
	}, 5*time.Second, time.Millisecond)
}

func TestStopOfTheReadersCutsAndRefuses(t *testing.T) {
	set, _ := one(t)
	path := serve(t, &server.Server{Readers: set})
	p, waiting := hello(t, path, 4), hello(t, path, 4)
	p.connect()
	waiting.wait()
	set.Stop()
	p.cut()
	_, err := io.ReadAll(waiting.net) // the event may have gone before
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	dial(t, path).cut()
	set.Start()
	hello(t, path, 4).connect()
}

// goroutines waits until there are no more of them than before.
func goroutines(t *testing.T, before int) {
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
	assert.Fail(t, "goroutines are left", "%s", all[:runtime.Stack(all, true)])
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	before := runtime.NumGoroutine()
	set, _ := one(t)
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
	holder, waiting, resetting := hello(t, dir+"/a", 4), hello(t, dir+"/b", 6), hello(t, dir+"/a", 4)
	h := holder.connect()
	require.NoError(t, holder.begin(h))
	waiting.send(pcsclite.Request{Command: pcsclite.CmdWait})
	resetting.send(pcsclite.Request{
		Command: pcsclite.CmdDisconnect,
		Body:    &pcsclite.Disconnect{Card: resetting.connect(), Disposition: pcsclite.Reset},
	}) // waits for the holder

	require.NoError(t, s.Close())
	assert.NoError(t, <-served)
	assert.NoError(t, <-served)
	holder.cut()
	_, err = io.ReadAll(resetting.net) // the end of the holder may have been in time
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	goroutines(t, before)

	l, err := net.Listen("unix", dir+"/c")
	require.NoError(t, err)
	defer l.Close()
	assert.NoError(t, s.Serve(l), "a closed server serves nobody")
}

func TestServeEndsWithItsListener(t *testing.T) {
	set, _ := one(t)
	s := &server.Server{Readers: set}
	path := serve(t, s)
	stays := hello(t, path, 4)

	l, err := net.Listen("unix", path+"2")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	goes := hello(t, path+"2", 4)
	require.NoError(t, l.Close())
	assert.NoError(t, <-served)
	goes.cut()
	assert.NoError(t, stays.status(stays.connect()))
}

// broken is a listener that fails.
type broken struct{ net.Listener }

var errBroken = errors.New("broken")

func (broken) Accept() (net.Conn, error) { return nil, errBroken }

func TestServeTellsWhyItCannotGoOn(t *testing.T) {
	s := &server.Server{Readers: reader.New()}
	assert.Equal(t, errBroken, s.Serve(broken{}))
}
