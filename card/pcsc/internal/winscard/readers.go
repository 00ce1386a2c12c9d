package winscard

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A look is what was seen of all readers at one moment.
type look struct {
	readers []driver.Reader
	states  []State // as the system tells them, one for each of readers
}

func (s *service) Readers(ctx context.Context) ([]driver.Reader, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	l, err := s.look(ctx)
	return l.readers, err
}

// look asks for the state of the readers. pcscd changes the fields of a reader
// one by one: a card without an answer to reset is asked for again.
func (s *service) look(ctx context.Context) (look, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		l, err := s.glance(ctx)
		if err != nil || pause > 16*time.Millisecond || !slices.ContainsFunc(l.readers, unsettled) {
			return l, err
		}
		if err := sleep(ctx, pause); err != nil {
			return look{}, err
		}
	}
}

func unsettled(r driver.Reader) bool { return r.Present && !r.Mute && r.ATR == nil }

func (s *service) glance(ctx context.Context) (look, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return look{}, ended(ctx)
	}
	var l look
	err := s.do(ctx, func() (err error) {
		defer func() { <-s.turn }()
		l, err = s.ask()
		return err
	}, func(error) {})
	if err != nil {
		return look{}, err // l may still be written to
	}
	return l, nil
}

// ask asks the system, once more if the service turns out to be gone since the
// last question: a new one may be there. It is called in turn.
func (s *service) ask() (look, error) {
	if s.main != nil {
		l, err := s.survey(s.main)
		if !dead(err) {
			return l, err
		}
		s.main.Release()
		s.main = nil
		s.life++
	}
	w, err := s.system.Watch()
	if err != nil {
		return look{}, noReaders(err)
	}
	l, err := s.survey(w)
	if dead(err) {
		w.Release()
		return look{}, err
	}
	s.main = w
	return l, err
}

// noReaders is nil where an error only says that there is no reader.
func noReaders(err error) error {
	if errors.Is(err, driver.NoReadersAvailable) {
		return nil
	}
	return err
}

// survey lists the readers and their states. A reader that goes away between
// the two questions makes the second one fail.
func (s *service) survey(w Watcher) (look, error) {
	for try := 0; ; try++ {
		names, err := w.Readers()
		if err = noReaders(err); err != nil || len(names) == 0 {
			return look{}, err
		}
		states := make([]State, 0, len(names))
		for i, name := range names {
			if !slices.Contains(names[:i], name) {
				states = append(states, State{Reader: name})
			}
		}
		switch err = w.Status(states, 0); {
		case err == nil:
			return s.seen(states), nil
		case try == 8 || !errors.Is(err, driver.UnknownReader) && noReaders(err) != nil:
			return look{}, err
		}
	}
}

func (s *service) seen(states []State) look {
	var l look
	for _, st := range states {
		if st.Now&unknown != 0 {
			continue
		}
		r := driver.Reader{
			Name: st.Reader,
			// The service counts to 0xFFFF, from 0 when it starts.
			Events:    s.life<<16 | st.Now.events(),
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
		l.readers = append(l.readers, r)
		l.states = append(l.states, st)
	}
	return l
}

// find is the state of one reader.
func (s *service) find(ctx context.Context, name string) (driver.Reader, error) {
	l, err := s.look(ctx)
	if err != nil {
		return driver.Reader{}, err
	}
	for _, r := range l.readers {
		if r.Name == name {
			return r, nil
		}
	}
	return driver.Reader{}, driver.UnknownReader
}
