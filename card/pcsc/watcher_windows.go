package pcsc

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/ebfe/scard"
	"github.com/smartlogon/smartlogon/card/pcsc/internal/winscard"
	"golang.org/x/sys/windows"
)

// watcher implements winscard.Watcher on two contexts: one lists the readers, the
// other waits for their state. The second does not use package scard, which does
// not keep the names from the garbage collector while the system reads them.
type watcher struct {
	list   *scard.Context
	handle uintptr
	dll    *windows.LazyDLL
}

func newWatcher() (winscard.Watcher, error) {
	list, err := establish()
	if err != nil {
		return nil, err
	}
	w := &watcher{list: list, dll: windows.NewLazySystemDLL("winscard.dll")}
	const scopeSystem = 2
	code, _, _ := w.dll.NewProc("SCardEstablishContext").Call(scopeSystem, 0, 0, uintptr(unsafe.Pointer(&w.handle)))
	if err := winerr(code); err != nil {
		list.Release()
		return nil, err
	}
	return w, nil
}

func winerr(code uintptr) error { return winscard.Errno("windows", uint32(code)) }

func (w *watcher) Readers() ([]string, error) { return listReaders(w.list) }

func (w *watcher) Cancel() error {
	code, _, _ := w.dll.NewProc("SCardCancel").Call(w.handle)
	return winerr(code)
}

func (w *watcher) Release() error {
	w.list.Release()
	code, _, _ := w.dll.NewProc("SCardReleaseContext").Call(w.handle)
	return winerr(code)
}

// readerState is SCARD_READERSTATEW.
type readerState struct {
	name   *uint16
	user   uintptr
	known  uint32
	now    uint32
	lenATR uint32
	atr    [36]byte
}

func (w *watcher) Status(states []winscard.State, timeout time.Duration) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	list := make([]readerState, len(states))
	for i, st := range states {
		name, err := windows.UTF16PtrFromString(st.Reader)
		if err != nil {
			return err
		}
		pin.Pin(name)
		list[i] = readerState{name: name, known: uint32(st.Known)}
	}
	code, _, _ := w.dll.NewProc("SCardGetStatusChangeW").Call(w.handle, uintptr(timeout.Milliseconds()),
		uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)))
	if err := winerr(code); err != nil {
		return err
	}
	for i, st := range list {
		states[i].Now = winscard.Flags(st.now)
		states[i].ATR = st.atr[:min(int(st.lenATR), len(st.atr))]
	}
	return nil
}
