package winscard

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A snapshot is the state of all readers at one moment.
type snapshot struct {
	readers []driver.Reader
	states  []State // as the system reports them, one for each of readers
}

func (s *service) Readers(ctx context.Context) ([]driver.Reader, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	now, err := s.read(ctx)
	return now.readers, err
}

// read reads the state of the readers. pcscd changes the fields of a state one
// by one, so a card without an ATR is read again.
func (s *service) read(ctx context.Context) (snapshot, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		now, err := s.readOnce(ctx)
		if err != nil || pause > 16*time.Millisecond || !slices.ContainsFunc(now.readers, lacksATR) {
			return now, err
		}
		if err := sleep(ctx, pause); err != nil {
			return snapshot{}, err
		}
	}
}

func lacksATR(r driver.Reader) bool { return r.Present && !r.Mute && r.ATR == nil }

func (s *service) readOnce(ctx context.Context) (snapshot, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return snapshot{}, contextError(ctx)
	}
	var now snapshot
	err := s.run(ctx, func() (err error) {
		defer func() { <-s.turn }()
		now, err = s.readMain()
		return err
	}, func(error) {})
	if err != nil {
		return snapshot{}, err // the goroutine may still write to now
	}
	return now, nil
}

// readMain reads the states on the main context. If that context is lost, it
// tries a new one: the service may have restarted. The caller has the turn.
func (s *service) readMain() (snapshot, error) {
	if s.main != nil {
		now, err := s.readStates(s.main)
		if !contextLost(err) {
			return now, err
		}
		s.main.Release()
		s.main = nil
		s.generation++
	}
	w, err := s.system.Watch()
	if err != nil {
		return snapshot{}, ignoreNoReaders(err)
	}
	now, err := s.readStates(w)
	if contextLost(err) {
		w.Release()
		return snapshot{}, err
	}
	s.main = w
	return now, err
}

// ignoreNoReaders returns nil for an error that only reports that there is no
// reader.
func ignoreNoReaders(err error) error {
	if errors.Is(err, driver.NoReadersAvailable) {
		return nil
	}
	return err
}

// readStates lists the readers and reads their states. It starts again if a
// reader is removed between the two calls, which makes the second fail.
func (s *service) readStates(w Watcher) (snapshot, error) {
	for try := 0; ; try++ {
		names, err := w.Readers()
		if err = ignoreNoReaders(err); err != nil || len(names) == 0 {
			return snapshot{}, err
		}
		states := make([]State, 0, len(names))
		for i, name := range names {
			if !slices.Contains(names[:i], name) {
				states = append(states, State{Reader: name})
			}
		}
		switch err = w.Status(states, 0); {
		case err == nil:
			return s.newSnapshot(states), nil
		case try == 8 || !errors.Is(err, driver.UnknownReader) && ignoreNoReaders(err) != nil:
			return snapshot{}, err
		}
	}
}

func (s *service) newSnapshot(states []State) snapshot {
	var now snapshot
	for _, st := range states {
		if st.Now&unknown != 0 {
			continue
		}
		r := driver.Reader{
			Name: st.Reader,
			// The service counts up to 0xFFFF, from 0 when it starts.
			Events:    s.generation<<16 | st.Now.events(),
			Present:   st.Now&present != 0 && st.Now&unavailable == 0,
			InUse:     st.Now&(inUse|exclusive) != 0,
			Exclusive: st.Now&exclusive != 0,
		}
		if r.Present {
			r.Mute = st.Now&mute != 0
			if len(st.ATR) > 0 && !r.Mute {
				r.ATR = bytes.Clone(st.ATR)
			}
		}
		now.readers = append(now.readers, r)
		now.states = append(now.states, st)
	}
	return now
}

// reader returns the state of one reader.
func (s *service) reader(ctx context.Context, name string) (driver.Reader, error) {
	now, err := s.read(ctx)
	if err != nil {
		return driver.Reader{}, err
	}
	for _, r := range now.readers {
		if r.Name == name {
			return r, nil
		}
	}
	return driver.Reader{}, driver.UnknownReader
}
