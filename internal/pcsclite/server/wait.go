package server

import (
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// A wait is the wait of a client for the next change. Exactly one event is sent for
// it: at a change, a Cancel or a StopWaiting. The goroutine that removes the wait
// from the session sends it, under the same lock.
type wait struct {
	ended     chan struct{} // closed when it is removed from the session
	tableSent chan struct{} // closed when the client has got the table
}

// eventDelay is how long an event is delayed if the client has not requested the
// table yet. In 4.6 a client waits first and requests the table afterwards on the
// same connection: it would take an early event for the response.
const eventDelay = 250 * time.Millisecond

func (p *session) startWait() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait != nil || p.ended {
		return errRefused
	}
	entries, changed, err := p.server.entries()
	if err != nil {
		return err
	}
	w := &wait{ended: make(chan struct{}), tableSent: make(chan struct{})}
	if p.minor < 6 {
		if err := p.write(pcsclite.AppendTable(nil, entries[:pcsclite.FixedReaders])); err != nil {
			return err
		}
		close(w.tableSent)
	}
	p.wait = w
	p.helpers.Go(func() { p.awaitChange(w, changed) })
	return nil
}

// awaitChange sends the event of the next change.
func (p *session) awaitChange(w *wait, changed <-chan struct{}) {
	late := time.NewTimer(eventDelay)
	defer late.Stop()
	select {
	case <-changed:
	case <-w.ended:
		return
	}
	select {
	case <-w.tableSent:
	case <-late.C:
	case <-w.ended:
		return
	}
	if p.endWait(w, 0) != nil {
		p.net.Close() // ends the session
	}
}

// allowEvent ends the delay of the event.
func (p *session) allowEvent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait == nil {
		return
	}
	select {
	case <-p.wait.tableSent:
	default:
		close(p.wait.tableSent)
	}
}

// endWait removes the wait w, or any wait if w is nil, and sends its event. It sends
// nothing if the wait has ended.
func (p *session) endWait(w *wait, result uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait == nil || w != nil && p.wait != w {
		return nil
	}
	p.stopWaiting()
	return p.write(pcsclite.Append(nil, &pcsclite.Event{Result: result}))
}

// stopWaiting removes the wait. The caller holds mu.
func (p *session) stopWaiting() {
	if p.wait != nil {
		close(p.wait.ended)
		p.wait = nil
	}
}

// cancel ends the wait on a context.
func (s *Server) cancel(context uint32) uint32 {
	s.mu.Lock()
	p := s.contexts[context]
	s.mu.Unlock()
	if p == nil {
		return pcsclite.Code(driver.InvalidHandle)
	}
	if p.endWait(nil, pcsclite.Code(driver.Cancelled)) != nil {
		p.net.Close()
	}
	return 0
}
