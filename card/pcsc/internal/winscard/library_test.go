package winscard_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc/internal/winscard"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
)

// A library behaves as pcsc-lite's does with the service of a set, and notices
// what its user must not do.
type library struct {
	t        *testing.T
	set      *reader.Set
	deaf     bool          // it does not tell of new readers, as macOS
	contexts atomic.Int32  // that were not released
	lives    atomic.Uint32 // of the service; contexts do not survive

	// slow, if not nil, is called where establishing a context takes long.
	slow func()
}

func (l *library) PlugAndPlay() bool { return !l.deaf }

// stop and start are those of the service.
func (l *library) stop()  { l.set.Stop(); l.lives.Add(1) }
func (l *library) start() { l.set.Start() }

// A libraryContext is one of the library, on which calls must not meet.
type libraryContext struct {
	*library
	life     uint32
	busy     sync.Mutex
	released atomic.Bool
}

func (l *library) establish() (*libraryContext, error) {
	if l.slow != nil {
		l.slow()
	}
	if _, _, err := l.set.Snapshot(); err != nil {
		return nil, err
	}
	l.contexts.Add(1)
	return &libraryContext{library: l, life: l.lives.Load()}, nil
}

// enter begins a call.
func (c *libraryContext) enter(call string) (leave func(), err error) {
	if !c.busy.TryLock() {
		c.t.Errorf("%s while another call is under way on the context: this stops the process", call)
		c.busy.Lock()
	}
	switch {
	case c.released.Load():
		err = driver.InvalidHandle
	case c.life != c.lives.Load():
		err = driver.NoService
	}
	return c.busy.Unlock, err
}

func (c *libraryContext) release() error {
	if c.released.Swap(true) {
		return driver.InvalidHandle
	}
	c.contexts.Add(-1)
	return nil
}

// A watcher is a context for questions.
type watcher struct {
	*libraryContext
	mu     sync.Mutex
	cancel chan struct{} // nil while nothing waits
}

func (l *library) Watch() (winscard.Watcher, error) {
	c, err := l.establish()
	if err != nil {
		return nil, err
	}
	return &watcher{libraryContext: c}, nil
}

func (w *watcher) Readers() ([]string, error) {
	leave, err := w.enter("SCardListReaders")
	defer leave()
	if err != nil {
		return nil, err
	}
	states, _, err := w.set.Snapshot()
	if err == nil && len(states) == 0 {
		err = driver.NoReadersAvailable
	}
	var names []string
	for _, st := range states {
		names = append(names, st.Name)
	}
	return names, err
}

// Status compares as pcsc-lite's library does: in the client, with a table.
func (w *watcher) Status(list []winscard.State, timeout time.Duration) error {
	_ = list[0] // scard panics too
	leave, err := w.enter("SCardGetStatusChange")
	defer leave()
	if err != nil {
		return err
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for readers := -1; ; {
		states, changed, err := w.set.Snapshot()
		if err != nil {
			return driver.NoService
		}
		if readers < 0 {
			readers = len(states)
		}
		news, err := compare(list, states, readers)
		if news || err != nil {
			return err
		}
		if timeout == 0 {
			return driver.Timeout
		}
		cancel := make(chan struct{})
		w.mu.Lock()
		w.cancel = cancel
		w.mu.Unlock()
		select {
		case <-changed:
		case <-deadline.C:
			err = driver.Timeout
		case <-cancel:
			err = driver.Cancelled
		}
		w.mu.Lock()
		w.cancel = nil
		w.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

func compare(list []winscard.State, states []reader.State, readers int) (news bool, err error) {
	for i := range list {
		st := &list[i]
		if st.Reader == winscard.PlugAndPlay {
			news = news || len(states) != readers
			continue
		}
		found := false
		for _, s := range states {
			if s.Name == st.Reader {
				found, st.Now = true, flags(s)
				if len(s.ATR) > 0 {
					st.ATR = s.ATR
				}
			}
		}
		if !found {
			return false, driver.UnknownReader
		}
		if st.Now != st.Known {
			news, st.Now = true, st.Now|2
		}
	}
	return news, nil
}

func flags(s reader.State) winscard.Flags {
	f := winscard.Flags(s.Events<<16 | 0x10)
	if s.Present {
		f ^= 0x30
	}
	if s.Mute {
		f |= 0x200
	}
	if s.Sharing > 0 {
		f |= 0x100
	}
	if s.Sharing < 0 {
		f |= 0x180
	}
	return f
}

// Cancel is lost where nothing waits yet.
func (w *watcher) Cancel() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil {
		close(w.cancel)
		w.cancel = nil
	}
	return nil
}

func (w *watcher) Release() error {
	leave, _ := w.enter("SCardReleaseContext")
	defer leave()
	return w.release()
}

// A handle is a connection.
type handle struct {
	*libraryContext
	conn   *reader.Conn
	inside bool // a transaction
	reset  bool // by ourselves; pcscd tells us too
}

func (l *library) Connect(name string) (winscard.Handle, error) {
	c, err := l.establish()
	if err != nil {
		return nil, err
	}
	conn, err := l.set.Connect(name, reader.Mode{NoWait: true})
	if err != nil {
		return nil, errors.Join(err, c.release())
	}
	return &handle{libraryContext: c, conn: conn}, nil
}

func (h *handle) Protocol() (driver.Protocol, bool) { return driver.T1, true }

// again repeats a call while another program holds the card. The context is
// free in between.
func (h *handle) again(call string, f func() error) error {
	for pause := time.NewTicker(3 * time.Millisecond); ; <-pause.C {
		leave, err := h.enter(call)
		if err == nil && h.reset && call != "SCardReconnect" {
			err = driver.ResetCard
		}
		if err == nil {
			err = f()
		}
		leave()
		if err != driver.SharingViolation {
			return err
		}
	}
}

func (h *handle) Control(code uint32, in []byte) (answer []byte, err error) {
	err = h.again("SCardControl", func() error {
		if code == driver.FeatureRequest {
			answer = h.conn.Features()
			return nil
		}
		answer, err = h.conn.Control(code, in)
		return err
	})
	return answer, err
}

func (h *handle) Transmit(command []byte) (answer []byte, err error) {
	_ = command[0] // scard panics too
	err = h.again("SCardTransmit", func() error {
		answer, err = h.conn.Transmit(command)
		return err
	})
	return answer, err
}

func (h *handle) Begin() error {
	return h.again("SCardBeginTransaction", func() error {
		err := h.conn.Begin(h.t.Context())
		h.inside = err == nil
		return err
	})
}

func (h *handle) End(reset bool) error {
	leave, err := h.enter("SCardEndTransaction")
	defer leave()
	if err == nil {
		err = h.conn.End(disposition(reset))
	}
	if err == nil {
		h.inside, h.reset = false, reset
	}
	return err
}

func (h *handle) Reconnect() error {
	return h.again("SCardReconnect", func() error {
		h.reset = false
		return h.conn.Reconnect(h.t.Context(), reader.Mode{}, reader.Leave)
	})
}

func (h *handle) Disconnect(reset bool) error {
	leave, err := h.enter("SCardDisconnect")
	defer leave()
	if err != nil {
		return err
	}
	h.inside = false
	return h.conn.Close(disposition(reset))
}

// Release of the context resets a card that is held.
func (h *handle) Release() error {
	leave, err := h.enter("SCardReleaseContext")
	defer leave()
	if err == nil {
		assert.False(h.t, h.inside, "the card is held, and so it is reset")
	}
	h.conn.Drop()
	return h.release()
}

func disposition(reset bool) reader.Disposition {
	if reset {
		return reader.Reset
	}
	return reader.Leave
}
