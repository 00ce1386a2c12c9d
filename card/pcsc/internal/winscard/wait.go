package winscard

import (
	"context"
	"errors"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A statusWait is a call of Status that waits for a change.
type statusWait struct {
	watcher Watcher
	pnp     Flags      // last state of the PlugAndPlay reader
	done    chan error // receives the result of the call; nil if none is under way
}

const (
	// maxStatusWait is the timeout of one call of Status.
	maxStatusWait = time.Minute

	// pollInterval is how often the readers are read on a system that does
	// not report new readers.
	pollInterval = time.Second

	// maxStates is how many states libpcsclite takes in one call of Status
	// (PCSCLITE_MAX_READERS_CONTEXTS). With as many readers the PlugAndPlay
	// reader has no place among them.
	maxStates = 16
)

// plugAndPlay reports whether a call of Status on these states can report new
// readers.
func (s *service) plugAndPlay(states []State) bool {
	return s.system.PlugAndPlay() && len(states) < maxStates
}

// Wait starts a call of Status that waits, reads the states, and reads them again
// when the call returns. The system does not tell when it has begun to wait for
// new readers, so the states are read a few times more soon after the start.
func (s *service) Wait(ctx context.Context, last []driver.Reader) ([]driver.Reader, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()

	now, differs, err := s.compare(ctx, last)
	if differs || err != nil {
		return now.readers, err
	}
	w := new(statusWait)
	for pause := time.Duration(0); ; pause = min(2*pause+time.Millisecond, 16*time.Millisecond) {
		if w.watcher == nil {
			if w.watcher, err = s.acquireWatcher(ctx); err != nil {
				return nil, err
			}
		}
		w.start(now.states, s.plugAndPlay(now.states))
		longest := 2 * maxStatusWait
		if !s.plugAndPlay(now.states) {
			longest = pollInterval
		}
		now, differs, err = s.waitForChange(ctx, w, longest, last)
		if errors.Is(err, driver.NoService) {
			err = driver.ServiceStopped // it ran when Wait began
		}
		if differs || err != nil {
			s.stopWait(w)
			return now.readers, err
		}
		// A program connected to a card or disconnected, and may do so again.
		if err := sleep(ctx, pause); err != nil {
			s.stopWait(w)
			return nil, err
		}
	}
}

// waitForChange returns if the readers differ from last, or if the call of Status
// returned without such a difference. It reads them at least each longest.
func (s *service) waitForChange(ctx context.Context, w *statusWait, longest time.Duration, last []driver.Reader) (snapshot, bool, error) {
	for interval := 10 * time.Millisecond; ; interval = min(10*interval, longest) {
		now, differs, err := s.compare(ctx, last)
		if differs || err != nil {
			return now, differs, err
		}
		returned, err := s.await(ctx, w, interval)
		switch {
		case err != nil:
			return snapshot{}, false, err
		case returned:
			return s.compare(ctx, last)
		}
	}
}

// start starts a call of Status that waits for the states to change.
func (w *statusWait) start(states []State, plugAndPlay bool) {
	list := make([]State, 0, len(states)+1)
	for _, st := range states {
		list = append(list, State{Reader: st.Reader, Known: st.Now &^ changed})
	}
	if plugAndPlay {
		list = append(list, State{Reader: PlugAndPlay, Known: w.pnp})
	}
	if len(list) == 0 {
		return
	}
	watcher, done := w.watcher, make(chan error, 1)
	w.done = done
	go func() {
		err := watcher.Status(list, maxStatusWait)
		if pnp := list[len(list)-1]; plugAndPlay && err == nil {
			w.pnp = pnp.Now &^ changed
		}
		done <- err
	}()
}

// await reports whether the call of Status returns within d. Errors that call for
// reading the states again are not returned.
func (s *service) await(ctx context.Context, w *statusWait, d time.Duration) (returned bool, err error) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case err := <-w.done:
		w.done = nil
		switch {
		case contextLost(err): // reading shows whether the service is back
			s.release(w.watcher)
			w.watcher = nil
		case errors.Is(err, driver.Timeout), errors.Is(err, driver.UnknownReader), errors.Is(err, driver.Cancelled):
		case err != nil:
			return true, err
		}
		return true, nil
	case <-t.C:
		return false, nil
	case <-ctx.Done():
		return false, contextError(ctx)
	}
}

// stopWait cancels the call of Status, if there is one, and keeps the context for
// the next Wait. It repeats SCardCancel, which has no effect before the system
// waits.
func (s *service) stopWait(w *statusWait) {
	if w.done == nil {
		if w.watcher != nil {
			s.keepSpare(w.watcher)
		}
		return
	}
	s.abandoned.Add(1)
	go func() {
		defer s.abandoned.Done()
		for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
			w.watcher.Cancel()
			t := time.NewTimer(pause)
			select {
			case err := <-w.done:
				t.Stop()
				if contextLost(err) {
					w.watcher.Release()
				} else {
					s.keepSpare(w.watcher)
				}
				return
			case <-t.C:
			}
		}
	}()
}

// acquireWatcher returns a context for a wait: the spare or a new one.
func (s *service) acquireWatcher(ctx context.Context) (Watcher, error) {
	s.mu.Lock()
	spare := s.spare
	s.spare = nil
	s.mu.Unlock()
	if spare != nil {
		return spare, nil
	}
	var w Watcher
	err := s.run(ctx, func() (err error) {
		w, err = s.system.Watch()
		return err
	}, func(err error) {
		if err == nil {
			s.keepSpare(w)
		}
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// keepSpare keeps a context for the next Wait.
func (s *service) keepSpare(w Watcher) {
	s.mu.Lock()
	w, s.spare = s.spare, w
	s.mu.Unlock()
	if w != nil {
		s.release(w)
	}
}

// compare reads the readers and reports whether they differ from last.
func (s *service) compare(ctx context.Context, last []driver.Reader) (snapshot, bool, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		now, err := s.read(ctx)
		switch {
		case err != nil:
			return snapshot{}, false, err
		case driver.SameCards(last, now.readers):
			return now, false, nil
		case pause > 8*time.Millisecond || !uncounted(last, now.readers):
			return now, true, nil
		}
		if err := sleep(ctx, pause); err != nil {
			return snapshot{}, false, err
		}
	}
}

// uncounted reports whether a card was inserted or removed and the event count
// is still the same: pcscd updates the count last.
func uncounted(last, now []driver.Reader) bool {
	for i := range min(len(last), len(now)) {
		a, b := last[i], now[i]
		if a.Name == b.Name && a.Events == b.Events && a.Present != b.Present {
			return true
		}
	}
	return false
}
