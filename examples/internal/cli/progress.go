package cli

import (
	"fmt"
	"sync"
	"time"
)

// progressDelay is how long an operation may take without a progress line.
const progressDelay = 500 * time.Millisecond

// Progress prints a line to the standard error if the operation takes longer than half
// a second and the standard error is a terminal. The result ends the operation and
// erases the line; it can be called more than once.
func (e *Env) Progress(text string) (stop func()) {
	if !e.ShowProgress {
		return func() {}
	}
	var mu sync.Mutex
	printed, stopped := false, false
	timer := time.AfterFunc(progressDelay, func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			printed = true
			fmt.Fprint(e.Stderr, Escape(text)+" ...")
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		if printed && !stopped {
			fmt.Fprint(e.Stderr, "\r\x1b[K") // erase the line (ECMA-48, 8.3.41)
		}
		stopped = true
	}
}
