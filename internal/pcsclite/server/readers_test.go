package server_test

import (
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func names(table []pcsclite.ReaderState) []string {
	var names []string
	for _, r := range table {
		names = append(names, r.Name)
	}
	return names
}

func TestTable(t *testing.T) {
	set, card := newSet(t)
	require.NoError(t, set.Add("empty"))
	path := serve(t, &server.Server{Readers: set})
	p := establish(t, path, 4)
	p.send(pcsclite.Request{Command: pcsclite.CmdReaders})
	assert.Equal(t, []pcsclite.ReaderState{
		{Name: "R", Events: 1, State: 0x34, ATR: card.ATR()},
		{Name: "empty", State: pcsclite.StateAbsent, ATR: []byte{}},
	}, p.table(16))

	p.connect()
	p.send(pcsclite.Request{Command: pcsclite.CmdReaders})
	assert.Equal(t, pcsclite.ReaderState{
		Name: "R", Events: 1, State: 0x34, Sharing: 1, ATR: card.ATR(), Protocol: pcsclite.ProtocolT1,
	}, p.table(16)[0])
}

// muteCard does not answer to reset.
type muteCard struct{ counter }

func (*muteCard) ATR() []byte { return nil }

func TestMuteCardIsSwallowed(t *testing.T) {
	set := reader.New("R")
	require.NoError(t, set.Insert("R", new(muteCard)))
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	p.send(pcsclite.Request{Command: pcsclite.CmdReaders})
	assert.EqualValues(t, pcsclite.StatePresent|pcsclite.StateSwallowed, p.table(16)[0].State)
}

func TestOldClientsSee16Readers(t *testing.T) {
	set := new(reader.Set)
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf("reader %d", i))
		require.NoError(t, set.Add(all[i]))
	}
	path := serve(t, &server.Server{Readers: set})
	for _, minor := range []uint32{4, 5} {
		p := establish(t, path, minor)
		p.send(pcsclite.Request{Command: pcsclite.CmdReaders})
		assert.Equal(t, all[:16], names(p.table(16)))
		p.checkSilent()
	}
	p := establish(t, path, 6)
	var size pcsclite.ReadersSize
	p.query(pcsclite.CmdReadersSize, &size)
	require.EqualValues(t, 20, size.Entries)
	p.send(pcsclite.Request{Command: pcsclite.CmdReadersArray})
	assert.Equal(t, all, names(p.table(20)))
	p.checkSilent()
}

func TestTableKeepsIndexes(t *testing.T) {
	set := new(reader.Set)
	for i := range 17 {
		require.NoError(t, set.Add(fmt.Sprint(i)))
	}
	p := establish(t, serve(t, &server.Server{Readers: set}), 6)
	index := func(name string) int {
		var size pcsclite.ReadersSize
		p.query(pcsclite.CmdReadersSize, &size)
		require.EqualValues(t, 17, size.Entries)
		p.send(pcsclite.Request{Command: pcsclite.CmdReadersArray})
		index := -1
		for i := range int(size.Entries) {
			for _, r := range p.table(1) {
				if r.Name == name {
					index = i
				}
			}
		}
		return index
	}
	require.Equal(t, 16, index("16"))
	require.NoError(t, set.Detach("3"))
	assert.Equal(t, 16, index("16"))
	assert.Equal(t, -1, index("3"))
	require.NoError(t, set.Add("new"))
	assert.Equal(t, 3, index("new"))
	assert.Equal(t, 16, index("16"))
}

func TestReaderEvents(t *testing.T) {
	set := reader.New("R")
	p := establish(t, serve(t, &server.Server{Readers: set}), 5)
	count := func() uint32 {
		p.send(pcsclite.Request{Command: pcsclite.CmdReaders})
		p.table(16) // updates the count
		var m pcsclite.ReaderEvents
		p.query(pcsclite.CmdReaderEvents, &m)
		return m.Events
	}
	require.EqualValues(t, 0, count())
	require.NoError(t, set.Add("S"))
	assert.EqualValues(t, 1, count())
	require.NoError(t, set.Insert("S", new(counter)))
	assert.EqualValues(t, 1, count(), "an insertion is counted")
	require.NoError(t, set.Detach("R"))
	assert.EqualValues(t, 2, count())
}
