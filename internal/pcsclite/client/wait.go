package client

import (
	"context"
	"io"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// Wait asks on one connection and waits on another, which tells only that
// something changed: so what it returns compares with what Readers returns, and
// ending the wait costs no more than a connection.
func (s *service) Wait(ctx context.Context, known []driver.Reader) ([]driver.Reader, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()

	if list, err := s.news(ctx, known); list != nil || err != nil {
		return list, err
	}
	bell, err := s.bell(ctx)
	if err != nil {
		return nil, err
	}
	rung := false
	defer func() {
		if rung {
			s.keep(bell)
		} else {
			bell.close()
		}
	}()
	for {
		// The bell is set: what changes from here on rings it.
		if list, err := s.news(ctx, known); list != nil || err != nil {
			return list, err
		}
		if err := bell.ring(ctx); err != nil {
			return nil, err
		}
		rung = true
		if list, err := s.news(ctx, known); list != nil || err != nil {
			return list, err
		}
		rung = false
		if err := bell.set(ctx); err != nil {
			return nil, err
		}
	}
}

// news is the state of the readers, nil where it is the known one.
func (s *service) news(ctx context.Context, known []driver.Reader) ([]driver.Reader, error) {
	pause := time.Millisecond
	for {
		list, err := s.look(ctx)
		switch {
		case err != nil:
			return nil, err
		case driver.SameCards(known, list):
			return nil, nil
		case list == nil:
			return []driver.Reader{}, nil
		case pause > 8*time.Millisecond || !halfway(known, list):
			return list, nil
		}
		// pcscd counts the event after it has changed the rest.
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		pause *= 2
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

// bell is a connection on which the next change will be told.
func (s *service) bell(ctx context.Context) (*conn, error) {
	s.mu.Lock()
	c := s.spare
	s.spare = nil
	s.mu.Unlock()
	if c != nil {
		err := c.set(ctx)
		if err == nil {
			return c, nil
		}
		c.close()
		if ctx.Err() != nil {
			return nil, err
		}
	}
	// With 4.6 a change that comes at once cannot be told from the answer to
	// the next question of a program that waits and asks on one connection.
	// The older way has no such trap for the service.
	c, err := s.dial(ctx, pcsclite.MaxMinor-1)
	if err != nil {
		return nil, err
	}
	if err := c.set(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// keep saves a bell that has rung for the next wait.
func (s *service) keep(c *conn) {
	s.mu.Lock()
	old := s.spare
	s.spare = c
	s.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// set asks to be told of the next change, and returns when it is sure to be:
// pcscd takes note before it answers. Up to 4.5 the answer is a table, from 4.6
// on there is none, and another question has one. The change may be told before
// or in the midst of that answer; so bytes are counted, and what they say is
// asked anew.
func (c *conn) set(ctx context.Context) error {
	requests := []pcsclite.Request{{Command: pcsclite.CmdWait}}
	n := pcsclite.FixedReaders * pcsclite.Size(new(pcsclite.ReaderState))
	if c.minor >= 6 {
		requests = append(requests, pcsclite.Request{Command: pcsclite.CmdReadersSize})
		n = pcsclite.Size(new(pcsclite.ReadersSize))
	}
	err := c.do(ctx, 0, func() error { return c.send(requests...) })
	if err != nil {
		return err
	}
	return c.skip(ctx, n)
}

// ring waits for the change.
func (c *conn) ring(ctx context.Context) error {
	return c.skip(ctx, pcsclite.Size(new(pcsclite.Event)))
}

func (c *conn) skip(ctx context.Context, n int) error {
	return c.do(ctx, 0, func() error {
		_, err := io.CopyN(io.Discard, c.net, int64(n))
		return err
	})
}
