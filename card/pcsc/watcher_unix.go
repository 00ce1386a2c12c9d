//go:build (darwin && cgo) || (cgo && !pcsclite_go && (linux || freebsd || netbsd || openbsd || dragonfly))

package pcsc

import (
	"fmt"
	"time"

	"github.com/ebfe/scard"
	"github.com/smartlogon/smartlogon/card/pcsc/internal/winscard"
)

// watcher implements winscard.Watcher on one context.
type watcher struct{ *scard.Context }

func newWatcher() (winscard.Watcher, error) {
	c, err := establish()
	if err != nil {
		return nil, err
	}
	return watcher{c}, nil
}

func (w watcher) Readers() ([]string, error) { return listReaders(w.Context) }
func (w watcher) Cancel() error              { return errno(w.Context.Cancel()) }
func (w watcher) Release() error             { return errno(w.Context.Release()) }

// Status calls SCardGetStatusChange.
//
// The library reads the C strings of the names for as long as it waits. Package
// scard keeps them in a map by name, and frees an entry at the next call with
// the same name, even one on another context. A suffix behind a NUL makes the
// key of each context unique; C does not see it.
func (w watcher) Status(states []winscard.State, timeout time.Duration) error {
	list := make([]scard.ReaderState, len(states))
	for i, st := range states {
		list[i].Reader = fmt.Sprintf("%s\x00%p", st.Reader, w.Context)
		list[i].CurrentState = scard.StateFlag(st.Known)
	}
	if err := w.GetStatusChange(list, timeout); err != nil {
		return callErrno(err)
	}
	for i := range list {
		states[i].Now = winscard.Flags(list[i].EventState)
		states[i].ATR = list[i].Atr
	}
	return nil
}
