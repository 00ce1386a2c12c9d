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

// wait begins to wait, up to version 4.5, and returns the table that comes.
func (p *program) wait() []pcsclite.ReaderState {
	p.Helper()
	p.send(pcsclite.Request{Command: pcsclite.CmdWait})
	return p.table(pcsclite.FixedReaders)
}

// event reads the end of the wait.
func (p *program) event() error {
	p.Helper()
	var m pcsclite.Event
	p.read(&m)
	return pcsclite.Errno(m.Result)
}

func TestWaitEndsWithTheNextChange(t *testing.T) {
	changes := map[string]func(*reader.Set, *program) error{
		"card comes":    func(s *reader.Set, _ *program) error { return s.Insert("empty", new(counter)) },
		"card goes":     func(s *reader.Set, _ *program) error { return s.Remove("R") },
		"reader comes":  func(s *reader.Set, _ *program) error { return s.Add("new") },
		"reader goes":   func(s *reader.Set, _ *program) error { return s.Detach("R") },
		"card is used":  func(_ *reader.Set, p *program) error { p.connect(); return nil },
		"not by itself": nil,
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			set, _ := one(t)
			require.NoError(t, set.Add("empty"))
			path := serve(t, &server.Server{Readers: set})
			p, other := hello(t, path, 4), hello(t, path, 4)
			assert.Equal(t, []string{"R", "empty"}, names(p.wait()))
			if change == nil {
				p.silent()
				return
			}
			require.NoError(t, change(set, other))
			assert.NoError(t, p.event())
			p.silent()
		})
	}
}

func TestEventsOf46WaitForTheTable(t *testing.T) {
	set := reader.New("R")
	p := hello(t, serve(t, &server.Server{Readers: set}), 6)
	p.send(pcsclite.Request{Command: pcsclite.CmdWait})
	p.silent() // the server knows of the wait
	require.NoError(t, set.Insert("R", new(counter)))

	var size pcsclite.ReadersSize
	p.ask(pcsclite.CmdReadersSize, &size)
	require.EqualValues(t, 16, size.Entries)
	p.send(pcsclite.Request{Command: pcsclite.CmdReadersArray})
	assert.EqualValues(t, 1, p.table(16)[0].Events)
	assert.NoError(t, p.event())
	p.silent()
}

func TestEventsOf46ComeToWhoDoesNotAsk(t *testing.T) {
	set := reader.New("R")
	p := hello(t, serve(t, &server.Server{Readers: set}), 6)
	p.send(pcsclite.Request{Command: pcsclite.CmdWait})
	p.silent()
	require.NoError(t, set.Insert("R", new(counter)))
	assert.NoError(t, p.event())
}

func TestStopIsAnsweredUnlessTheEventWent(t *testing.T) {
	set := reader.New("R")
	p := hello(t, serve(t, &server.Server{Readers: set}), 4)
	p.send(pcsclite.Request{Command: pcsclite.CmdStopWaiting})
	p.silent()

	p.wait()
	p.send(pcsclite.Request{Command: pcsclite.CmdStopWaiting})
	assert.NoError(t, p.event())
	p.silent()

	p.wait()
	require.NoError(t, set.Insert("R", new(counter)))
	assert.NoError(t, p.event())
	p.send(pcsclite.Request{Command: pcsclite.CmdStopWaiting})
	p.silent()
}

func TestOneMessageEndsAWaitWhoeverIsFirst(t *testing.T) {
	set, _ := one(t)
	path := serve(t, &server.Server{Readers: set})
	p, other := hello(t, path, 4), hello(t, path, 4)
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
		p.silent()
	}
	assert.Equal(t, 300, results[nil]+results[driver.Cancelled], "%v", results)
}

func TestCancelEndsTheWaitOfAnother(t *testing.T) {
	path := serve(t, &server.Server{Readers: reader.New("R")})
	p := hello(t, path, 4)
	p.wait()
	other := dial(t, path) // without a word about versions, as libpcsclite does
	m := pcsclite.Cancel{Context: p.context}
	other.call(pcsclite.CmdCancel, &m)
	assert.Zero(t, m.Result)
	assert.Equal(t, driver.Cancelled, p.event())

	other.call(pcsclite.CmdCancel, &m)
	assert.Zero(t, m.Result, "nobody waits: nothing happens")
	p.silent()

	m.Context++
	other.call(pcsclite.CmdCancel, &m)
	assert.Equal(t, driver.InvalidHandle, pcsclite.Errno(m.Result))
}

func TestTwoWaitsAtOnceAreCut(t *testing.T) {
	p := hello(t, serve(t, &server.Server{Readers: reader.New("R")}), 4)
	p.wait()
	p.send(pcsclite.Request{Command: pcsclite.CmdWait})
	p.cut()
}
