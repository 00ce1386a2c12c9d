package server_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wait starts a wait, up to version 4.5, and returns the table.
func (p *program) wait() []pcsclite.ReaderState {
	p.Helper()
	p.send(pcsclite.Request{Command: pcsclite.CmdWait})
	return p.table(pcsclite.FixedReaders)
}

// event reads the event and returns its result.
func (p *program) event() error {
	p.Helper()
	var m pcsclite.Event
	p.read(&m)
	return pcsclite.Errno(m.Result)
}

func TestWaitEndsAtChange(t *testing.T) {
	changes := map[string]func(*reader.Set, *program) error{
		"card inserted":  func(s *reader.Set, _ *program) error { return s.Insert("empty", new(counter)) },
		"card removed":   func(s *reader.Set, _ *program) error { return s.Remove("R") },
		"reader added":   func(s *reader.Set, _ *program) error { return s.Add("new") },
		"reader removed": func(s *reader.Set, _ *program) error { return s.Detach("R") },
		"card connected": func(_ *reader.Set, p *program) error { p.connect(); return nil },
		"no change":      nil,
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			set, _ := newSet(t)
			require.NoError(t, set.Add("empty"))
			path := serve(t, &server.Server{Readers: set})
			p, other := establish(t, path, 4), establish(t, path, 4)
			assert.Equal(t, []string{"R", "empty"}, names(p.wait()))
			if change == nil {
				p.checkSilent()
				return
			}
			require.NoError(t, change(set, other))
			assert.NoError(t, p.event())
			p.checkSilent()
		})
	}
}

func TestEventIsDelayedIn46(t *testing.T) {
	set := reader.New("R")
	p := establish(t, serve(t, &server.Server{Readers: set}), 6)
	p.send(pcsclite.Request{Command: pcsclite.CmdWait})
	p.checkSilent() // the server has got the request
	require.NoError(t, set.Insert("R", new(counter)))

	var size pcsclite.ReadersSize
	p.query(pcsclite.CmdReadersSize, &size)
	require.EqualValues(t, 16, size.Entries)
	p.send(pcsclite.Request{Command: pcsclite.CmdReadersArray})
	assert.EqualValues(t, 1, p.table(16)[0].Events)
	assert.NoError(t, p.event())
	p.checkSilent()
}

func TestEventIn46WithoutTable(t *testing.T) {
	set := reader.New("R")
	p := establish(t, serve(t, &server.Server{Readers: set}), 6)
	p.send(pcsclite.Request{Command: pcsclite.CmdWait})
	p.checkSilent()
	require.NoError(t, set.Insert("R", new(counter)))
	assert.NoError(t, p.event())
}

func TestStopWaiting(t *testing.T) {
	set := reader.New("R")
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	p.send(pcsclite.Request{Command: pcsclite.CmdStopWaiting})
	p.checkSilent()

	p.wait()
	p.send(pcsclite.Request{Command: pcsclite.CmdStopWaiting})
	assert.NoError(t, p.event())
	p.checkSilent()

	p.wait()
	require.NoError(t, set.Insert("R", new(counter)))
	assert.NoError(t, p.event())
	p.send(pcsclite.Request{Command: pcsclite.CmdStopWaiting})
	p.checkSilent()
}

func TestWaitEndsWithOneMessage(t *testing.T) {
	set, _ := newSet(t)
	path := serve(t, &server.Server{Readers: set})
	p, other := establish(t, path, 4), establish(t, path, 4)
	results := make(map[error]int)
	for i := range 300 {
		p.wait()
		done := make(chan struct{})
		go func() {
			defer close(done)
			if i%2 == 0 {
				assert.NoError(t, set.Remove("R"))
				assert.NoError(t, set.Insert("R", new(counter)))
			}
		}()
		other.send(pcsclite.Request{Command: pcsclite.CmdCancel, Body: &pcsclite.Cancel{Context: p.context}})
		if i%3 == 0 {
			p.send(pcsclite.Request{Command: pcsclite.CmdStopWaiting})
		}
		results[p.event()]++
		var m pcsclite.Cancel
		other.read(&m)
		assert.Zero(t, m.Result)
		<-done
		p.checkSilent()
	}
	assert.Equal(t, 300, results[nil]+results[driver.Cancelled], "%v", results)
}

func TestCancel(t *testing.T) {
	path := serve(t, &server.Server{Readers: reader.New("R")})
	p := establish(t, path, 4)
	p.wait()
	other := dial(t, path) // without a Version request, as libpcsclite does
	m := pcsclite.Cancel{Context: p.context}
	other.call(pcsclite.CmdCancel, &m)
	assert.Zero(t, m.Result)
	assert.Equal(t, driver.Cancelled, p.event())

	other.call(pcsclite.CmdCancel, &m)
	assert.Zero(t, m.Result, "Cancel without a wait")
	p.checkSilent()

	m.Context++
	other.call(pcsclite.CmdCancel, &m)
	assert.Equal(t, driver.InvalidHandle, pcsclite.Errno(m.Result))
}

func TestSecondWaitDisconnects(t *testing.T) {
	p := establish(t, serve(t, &server.Server{Readers: reader.New("R")}), 4)
	p.wait()
	p.send(pcsclite.Request{Command: pcsclite.CmdWait})
	p.checkDisconnected()
}
