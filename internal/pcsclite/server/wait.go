package server

import (
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// A wait is a program that wants to hear of the next change. Exactly one event
// is sent for it: for the change, for a cancel, or because the program gave up.
// Whoever takes the wait off the session sends it, under the same lock.
type wait struct {
	over chan struct{} // closed when it is off the session
	told chan struct{} // closed when the program has the table it compares with
}

// since46 is how long an event is kept back from a program that has not asked
// for the table yet. With 4.6 it waits first and asks afterwards, on the same
// connection: an event that comes in between it would take for the answer.
const since46 = 250 * time.Millisecond

func (p *session) startWait() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait != nil || p.ended {
		return errCut
	}
	entries, changed, err := p.server.entries()
	if err != nil {
		return err
	}
	w := &wait{over: make(chan struct{}), told: make(chan struct{})}
	if p.minor < 6 {
		if err := p.write(pcsclite.AppendTable(nil, entries[:pcsclite.FixedReaders])); err != nil {
			return err
		}
		close(w.told)
	}
	p.wait = w
	p.helpers.Go(func() { p.listen(w, changed) })
	return nil
}

// listen sends the event of a change.
func (p *session) listen(w *wait, changed <-chan struct{}) {
	late := time.NewTimer(since46)
	defer late.Stop()
	select {
	case <-changed:
	case <-w.over:
		return
	}
	select {
	case <-w.told:
	case <-late.C:
	case <-w.over:
		return
	}
	if p.answerWait(w, 0) != nil {
		p.net.Close() // which its own goroutine notices
	}
}

// tableSent lets events go out.
func (p *session) tableSent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait == nil {
		return
	}
	select {
	case <-p.wait.told:
	default:
		close(p.wait.told)
	}
}

// answerWait sends the event that ends the wait w, or any if w is nil. If it is
// over already it sends nothing.
func (p *session) answerWait(w *wait, result uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait == nil || w != nil && p.wait != w {
		return nil
	}
	p.stopWaiting()
	return p.write(pcsclite.Append(nil, &pcsclite.Event{Result: result}))
}

// stopWaiting is called with mu held.
func (p *session) stopWaiting() {
	if p.wait != nil {
		close(p.wait.over)
		p.wait = nil
	}
}

// cancel ends the wait of the program with that context.
func (s *Server) cancel(context uint32) uint32 {
	s.mu.Lock()
	p := s.contexts[context]
	s.mu.Unlock()
	if p == nil {
		return pcsclite.Code(driver.InvalidHandle)
	}
	if p.answerWait(nil, pcsclite.Code(driver.Cancelled)) != nil {
		p.net.Close()
	}
	return 0
}
