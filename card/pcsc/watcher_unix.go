//go:build (darwin && cgo) || (cgo && !pcsclite_go && (linux || freebsd || netbsd || openbsd || dragonfly))

package pcsc

import (
	"fmt"
	"time"

	"github.com/ebfe/scard"
	"github.com/smartlogon/smartlogon/card/pcsc/internal/winscard"
)

// watcher is a context for questions about readers.
type watcher struct{ *scard.Context }

func newWatcher() (winscard.Watcher, error) {
	c, err := establish()
	if err != nil {
		return nil, err
	}
	return watcher{c}, nil
}

func (w watcher) Readers() ([]string, error) { return names(w.Context) }
func (w watcher) Cancel() error              { return errno(w.Context.Cancel()) }
func (w watcher) Release() error             { return errno(w.Context.Release()) }

// Status keeps names apart that go to the library at the same time. Scard saves
// a name from the garbage collector until the next call with the same name, in
// a map with the name as its key; the library reads it for as long as it waits.
// What stands behind a NUL is part of that key, and not of the name in C.
func (w watcher) Status(states []winscard.State, timeout time.Duration) error {
	list := make([]scard.ReaderState, len(states))
	for i, st := range states {
		list[i].Reader = fmt.Sprintf("%s\x00%p", st.Reader, w.Context)
		list[i].CurrentState = scard.StateFlag(st.Known)
	}
	if err := w.GetStatusChange(list, timeout); err != nil {
		return lost(err)
	}
	for i := range list {
		states[i].Now = winscard.Flags(list[i].EventState)
		states[i].ATR = list[i].Atr
	}
	return nil
}
