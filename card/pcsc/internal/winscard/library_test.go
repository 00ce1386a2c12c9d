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

// library implements winscard.System as libpcsclite does, on the readers of a set.
// It fails the test on a call that would stop the process.
type library struct {
	t        *testing.T
	set      *reader.Set
	noPnP    bool          // it does not report new readers, like macOS
	contexts atomic.Int32  // not released yet
	restarts atomic.Uint32 // of the service; contexts do not survive one

	mu      sync.Mutex
	blocked map[string]*blockade // by function
}

// A blockade makes a function block, as if the service did not respond.
type blockade struct {
	once    sync.Once
	entered chan struct{} // closed when a call blocks
	over    chan struct{}
}

// block makes a function block until unblock is called.
func (l *library) block(function string) (entered <-chan struct{}, unblock func()) {
	b := &blockade{entered: make(chan struct{}), over: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocked = map[string]*blockade{function: b}
	return b.entered, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.blocked = nil
		close(b.over)
	}
}

// call blocks while the function is blocked.
func (l *library) call(function string) {
	l.mu.Lock()
	b := l.blocked[function]
	l.mu.Unlock()
	if b != nil {
		b.once.Do(func() { close(b.entered) })
		<-b.over
	}
}

func (l *library) isBlocked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.blocked) > 0
}

func (l *library) PlugAndPlay() bool { return !l.noPnP }

// stop and start stop and start the service.
func (l *library) stop()  { l.set.Stop(); l.restarts.Add(1) }
func (l *library) start() { l.set.Start() }

// libraryContext is a context. Calls on it must not overlap.
type libraryContext struct {
	*library
	restart  uint32 // restarts when it was established
	busy     sync.Mutex
	waited   bool // the call under way waited for another; guarded by busy
	released atomic.Bool
}

func (l *library) establish() (*libraryContext, error) {
	l.call("SCardEstablishContext")
	if _, _, err := l.set.Snapshot(); err != nil {
		return nil, err
	}
	l.contexts.Add(1)
	return &libraryContext{library: l, restart: l.restarts.Load()}, nil
}

// enter begins a call.
func (c *libraryContext) enter(call string) (leave func(), err error) {
	waited := !c.busy.TryLock()
	if waited {
		// A service that does not respond stops the other calls anyway.
		if !c.isBlocked() {
			c.t.Errorf("%s while another call is under way on the context: this stops the process", call)
		}
		c.busy.Lock()
	}
	c.waited = waited
	c.library.call(call)
	switch {
	case c.released.Load():
		err = driver.InvalidHandle
	case c.restart != c.restarts.Load():
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

// watcher implements winscard.Watcher.
type watcher struct {
	*libraryContext
	mu     sync.Mutex
	cancel chan struct{} // nil unless Status waits
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

// Status compares the states in the client, like libpcsclite.
func (w *watcher) Status(list []winscard.State, timeout time.Duration) error {
	_ = list[0] // package scard panics on an empty list
	if len(list) > 16 {
		return driver.InvalidParameter // as libpcsclite
	}
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
		differs, err := compare(list, states, readers)
		if differs || err != nil {
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

func compare(list []winscard.State, states []reader.State, readers int) (differs bool, err error) {
	for i := range list {
		st := &list[i]
		if st.Reader == winscard.PlugAndPlay {
			differs = differs || len(states) != readers
			continue
		}
		listed := false
		for _, s := range states {
			if s.Name == st.Reader {
				listed, st.Now = true, flags(s)
				if len(s.ATR) > 0 {
					st.ATR = s.ATR
				}
			}
		}
		if !listed {
			return false, driver.UnknownReader
		}
		if st.Now != st.Known {
			differs, st.Now = true, st.Now|2
		}
	}
	return differs, nil
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

// Cancel has no effect before Status waits.
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

// handle implements winscard.Handle.
type handle struct {
	*libraryContext
	conn          *reader.Conn
	inTransaction bool
	reset         bool // this handle reset the card, which pcscd reports to it, too
}

func (l *library) Connect(name string) (winscard.Handle, error) {
	c, err := l.establish()
	if err != nil {
		return nil, err
	}
	l.call("SCardConnect")
	conn, err := l.set.Connect(name, reader.Mode{NoWait: true})
	if err != nil {
		return nil, errors.Join(err, c.release())
	}
	return &handle{libraryContext: c, conn: conn}, nil
}

func (h *handle) Protocol() (driver.Protocol, bool) { return driver.T1, true }

// retry repeats a call while another program holds the card.
func (h *handle) retry(call string, f func() error) error {
	leave, err := h.enter(call)
	defer leave()
	if err == nil && h.reset && call != "SCardReconnect" {
		err = driver.ResetCard
	}
	if err != nil {
		return err
	}
	for pause := time.NewTicker(3 * time.Millisecond); ; <-pause.C {
		if err = f(); err != driver.SharingViolation {
			return err
		}
	}
}

func (h *handle) Control(code uint32, in []byte) (response []byte, err error) {
	err = h.retry("SCardControl", func() error {
		if code == driver.FeatureRequest {
			response = h.conn.Features()
			return nil
		}
		response, err = h.conn.Control(code, in)
		return err
	})
	return response, err
}

func (h *handle) Transmit(command []byte) (response []byte, err error) {
	_ = command[0] // package scard panics on an empty command
	err = h.retry("SCardTransmit", func() error {
		response, err = h.conn.Transmit(command)
		return err
	})
	return response, err
}

func (h *handle) Busy() bool {
	leave, err := h.enter("SCardGetAttrib")
	defer leave()
	if err == nil {
		_, err = h.conn.Status()
	}
	return err == driver.SharingViolation
}

func (h *handle) Begin() error {
	return h.retry("SCardBeginTransaction", func() error {
		err := h.conn.Begin(h.t.Context())
		h.inTransaction = err == nil
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
		h.inTransaction, h.reset = false, reset
	}
	return err
}

func (h *handle) Reconnect() error {
	return h.retry("SCardReconnect", func() error {
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
	h.inTransaction = false
	return h.conn.Close(disposition(reset))
}

// Release resets the card if a transaction is under way. The caller cannot know of
// one that starts while Release waits for the context.
func (h *handle) Release() error {
	leave, err := h.enter("SCardReleaseContext")
	defer leave()
	if err == nil && !h.waited {
		assert.False(h.t, h.inTransaction, "SCardReleaseContext in a transaction resets the card")
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
