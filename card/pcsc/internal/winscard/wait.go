package winscard

import (
	"context"
	"errors"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A bell is a wait in the system.
type bell struct {
	watcher Watcher
	plugs   Flags      // what the system said last of coming and going readers
	rung    chan error // gets how the wait ended; nil while there is none
}

const (
	// patience is how long one wait in the system lasts at most.
	patience = time.Minute

	// blind is how long nobody asks where the system does not tell of new
	// readers.
	blind = time.Second
)

// Wait sets a bell, asks, and asks again when it rings. The system does not say
// when it has begun to listen for new readers, so a few questions more are
// asked soon after.
func (s *service) Wait(ctx context.Context, known []driver.Reader) ([]driver.Reader, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()

	l, news, err := s.news(ctx, known)
	if news || err != nil {
		return l.readers, err
	}
	b := new(bell)
	for pause := time.Duration(0); ; pause = min(2*pause+time.Millisecond, 16*time.Millisecond) {
		if b.watcher == nil {
			if b.watcher, err = s.watcher(ctx); err != nil {
				return nil, err
			}
		}
		b.set(l.states, s.system.PlugAndPlay())
		l, news, err = s.listen(ctx, b, known)
		if errors.Is(err, driver.NoService) {
			err = driver.ServiceStopped // while we waited
		}
		if news || err != nil {
			s.silence(b)
			return l.readers, err
		}
		// Somebody began or ceased to use a card, and may go on so.
		if err := sleep(ctx, pause); err != nil {
			s.silence(b)
			return nil, err
		}
	}
}

// listen returns when there is news, or when the bell has rung without any.
func (s *service) listen(ctx context.Context, b *bell, known []driver.Reader) (look, bool, error) {
	longest := 2 * patience
	if !s.system.PlugAndPlay() {
		longest = blind
	}
	for after := 10 * time.Millisecond; ; after = min(10*after, longest) {
		l, news, err := s.news(ctx, known)
		if news || err != nil {
			return l, news, err
		}
		rung, err := b.wait(ctx, after)
		switch {
		case err != nil:
			return look{}, false, err
		case rung:
			return s.news(ctx, known)
		}
	}
}

// set begins to wait for the states to change.
func (b *bell) set(states []State, plugAndPlay bool) {
	list := make([]State, 0, len(states)+1)
	for _, st := range states {
		list = append(list, State{Reader: st.Reader, Known: st.Now &^ changed})
	}
	if plugAndPlay {
		list = append(list, State{Reader: PlugAndPlay, Known: b.plugs})
	}
	if len(list) == 0 {
		return
	}
	w, rung := b.watcher, make(chan error, 1)
	b.rung = rung
	go func() {
		err := w.Status(list, patience)
		if last := list[len(list)-1]; plugAndPlay && err == nil {
			b.plugs = last.Now &^ changed
		}
		rung <- err
	}()
}

// wait reports whether the bell rings within some time. Only the end of ctx and
// an error that says nothing about readers is an error.
func (b *bell) wait(ctx context.Context, d time.Duration) (rung bool, err error) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case err := <-b.rung:
		b.rung = nil
		switch {
		case dead(err): // asking tells whether the service is back
			b.watcher.Release()
			b.watcher = nil
		case errors.Is(err, driver.Timeout), errors.Is(err, driver.UnknownReader), errors.Is(err, driver.Cancelled):
		case err != nil:
			return true, err
		}
		return true, nil
	case <-t.C:
		return false, nil
	case <-ctx.Done():
		return false, ended(ctx)
	}
}

// silence ends the wait in the system if there is one, and keeps the context for
// the next. A cancellation that comes before the system waits is lost, so it is
// repeated.
func (s *service) silence(b *bell) {
	if b.rung == nil {
		if b.watcher != nil {
			s.keep(b.watcher)
		}
		return
	}
	s.left.Add(1)
	go func() {
		defer s.left.Done()
		for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
			b.watcher.Cancel()
			t := time.NewTimer(pause)
			select {
			case err := <-b.rung:
				t.Stop()
				if dead(err) {
					b.watcher.Release()
				} else {
					s.keep(b.watcher)
				}
				return
			case <-t.C:
			}
		}
	}()
}

// watcher finds a context to wait on.
func (s *service) watcher(ctx context.Context) (Watcher, error) {
	s.mu.Lock()
	w := s.spare
	s.spare = nil
	s.mu.Unlock()
	if w != nil {
		return w, nil
	}
	var made Watcher
	err := s.do(ctx, func() (err error) {
		made, err = s.system.Watch()
		return err
	}, func(err error) {
		if err == nil {
			s.keep(made)
		}
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// keep saves a context for the next wait.
func (s *service) keep(w Watcher) {
	s.mu.Lock()
	w, s.spare = s.spare, w
	s.mu.Unlock()
	if w != nil {
		w.Release()
	}
}

// news reports whether the readers differ from the known ones.
func (s *service) news(ctx context.Context, known []driver.Reader) (look, bool, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		l, err := s.look(ctx)
		switch {
		case err != nil:
			return look{}, false, err
		case driver.SameCards(known, l.readers):
			return l, false, nil
		case pause > 8*time.Millisecond || !halfway(known, l.readers):
			return l, true, nil
		}
		// pcscd counts the event after it has changed the rest.
		if err := sleep(ctx, pause); err != nil {
			return look{}, false, err
		}
	}
}

// halfway reports whether a card came or went and was not counted.
func halfway(known, now []driver.Reader) bool {
	for i := range min(len(known), len(now)) {
		a, b := known[i], now[i]
		if a.Name == b.Name && a.Events == b.Events && a.Present != b.Present {
			return true
		}
	}
	return false
}
