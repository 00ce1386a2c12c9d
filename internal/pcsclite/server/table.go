package server

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

// A table assigns an index to each reader, which keeps it until it is removed. The
// table never shrinks, since clients take that for an error.
type table struct {
	names  []string // empty if the index is free
	events uint32   // how often readers were added or removed
	filled bool
}

// entries returns the table of readers, and a channel that is closed at the next
// change.
func (s *Server) entries() ([]pcsclite.ReaderState, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	states, changed, err := s.Readers.Snapshot()
	if err != nil {
		return nil, changed, err
	}
	return s.table.update(states), changed, nil
}

func (s *Server) readerEvents() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.events
}

// update assigns indexes and returns the entries.
func (t *table) update(states []reader.State) []pcsclite.ReaderState {
	if len(t.names) < pcsclite.FixedReaders {
		t.names = make([]string, pcsclite.FixedReaders)
	}
	changed := false
	for i, name := range t.names {
		if name != "" && !slices.ContainsFunc(states, func(s reader.State) bool { return s.Name == name }) {
			t.names[i], changed = "", true
		}
	}
	indexes := make([]int, len(states))
	for i, st := range states {
		index := slices.Index(t.names, st.Name)
		if index < 0 {
			changed = true
			if index = slices.Index(t.names, ""); index < 0 {
				index = len(t.names)
				t.names = append(t.names, "")
			}
			t.names[index] = st.Name
		}
		indexes[i] = index
	}
	if changed && t.filled {
		t.events++
	}
	t.filled = true

	entries := make([]pcsclite.ReaderState, len(t.names))
	for i, index := range indexes {
		entries[index] = entry(states[i])
	}
	return entries
}

// entry converts the state of a reader. Like pcscd, it reports a card as powered
// even after power-down.
func entry(st reader.State) pcsclite.ReaderState {
	e := pcsclite.ReaderState{
		Name:     st.Name,
		Events:   st.Events,
		Sharing:  int32(st.Sharing),
		ATR:      st.ATR,
		Protocol: uint32(st.Protocol),
	}
	switch {
	case !st.Present:
		e.State = pcsclite.StateAbsent
	case st.Mute:
		e.State = pcsclite.StatePresent | pcsclite.StateSwallowed
	default:
		e.State = pcsclite.StatePresent | pcsclite.StatePowered | pcsclite.StateNegotiable
	}
	return e
}
