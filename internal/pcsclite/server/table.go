package server

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

// A table gives each reader a place that it keeps while it is there. It never
// shrinks: programs take that for an error.
type table struct {
	names  []string // by place, empty where none is
	events uint32   // how often readers came and went
	begun  bool
}

// entries are the readers by their places, and a channel that is closed at the
// next change.
func (s *Server) entries() ([]pcsclite.ReaderState, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	states, changed, err := s.Readers.Snapshot()
	if err != nil {
		return nil, changed, err
	}
	return s.table.arrange(states), changed, nil
}

func (s *Server) readerEvents() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.events
}

func (t *table) arrange(states []reader.State) []pcsclite.ReaderState {
	if len(t.names) < pcsclite.FixedReaders {
		t.names = make([]string, pcsclite.FixedReaders)
	}
	changed := false
	for i, name := range t.names {
		if name != "" && !slices.ContainsFunc(states, func(s reader.State) bool { return s.Name == name }) {
			t.names[i], changed = "", true
		}
	}
	places := make([]int, len(states))
	for i, st := range states {
		at := slices.Index(t.names, st.Name)
		if at < 0 {
			changed = true
			if at = slices.Index(t.names, ""); at < 0 {
				at = len(t.names)
				t.names = append(t.names, "")
			}
			t.names[at] = st.Name
		}
		places[i] = at
	}
	if changed && t.begun {
		t.events++
	}
	t.begun = true

	entries := make([]pcsclite.ReaderState, len(t.names))
	for i, at := range places {
		entries[at] = entry(states[i])
	}
	return entries
}

// entry is the state of a reader as pcscd tells it. Like pcscd it says that a
// card has power, also when it sleeps.
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
