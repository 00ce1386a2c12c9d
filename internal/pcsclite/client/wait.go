package client

import (
	"context"
	"io"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// Wait reads the readers on one connection and waits for events on another. An
// event only tells that something changed, so the result compares with that of
// Readers, and canceling a wait costs no more than a connection.
func (s *service) Wait(ctx context.Context, last []driver.Reader) ([]driver.Reader, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()

	if list, err := s.changes(ctx, last); list != nil || err != nil {
		return list, err
	}
	c, err := s.subscribe(ctx)
	if err != nil {
		return nil, err
	}
	idle := false // no event is outstanding on c
	defer func() {
		if idle {
			s.keepSpare(c)
		} else {
			c.close()
		}
	}()
	for {
		// A change from here on causes an event.
		if list, err := s.changes(ctx, last); list != nil || err != nil {
			return list, err
		}
		if err := c.waitEvent(ctx); err != nil {
			return nil, err
		}
		idle = true
		if list, err := s.changes(ctx, last); list != nil || err != nil {
			return list, err
		}
		idle = false
		if err := c.subscribe(ctx); err != nil {
			return nil, err
		}
	}
}

// changes returns the readers if they differ from last, nil if they do not.
func (s *service) changes(ctx context.Context, last []driver.Reader) ([]driver.Reader, error) {
	pause := time.Millisecond
	for {
		list, err := s.read(ctx)
		switch {
		case err != nil:
			return nil, err
		case driver.SameCards(last, list):
			return nil, nil
		case list == nil:
			return []driver.Reader{}, nil
		case pause > 8*time.Millisecond || !uncounted(last, list):
			return list, nil
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		pause *= 2
	}
}

// uncounted reports whether a card was inserted or removed and the event count is
// still the same: pcscd updates the count last.
func uncounted(last, now []driver.Reader) bool {
	for i := range min(len(last), len(now)) {
		a, b := last[i], now[i]
		if a.Name == b.Name && a.Events == b.Events && a.Present != b.Present {
			return true
		}
	}
	return false
}

// subscribe returns a connection that receives an event at the next change.
func (s *service) subscribe(ctx context.Context) (*conn, error) {
	s.mu.Lock()
	c := s.spare
	s.spare = nil
	s.mu.Unlock()
	if c != nil {
		err := c.subscribe(ctx)
		if err == nil {
			return c, nil
		}
		c.close()
		if ctx.Err() != nil {
			return nil, err
		}
	}
	// In 4.6, a client that waits and reads the table on one connection, as
	// libpcsclite does, takes an early event for the response to its next
	// request. So our server delays the events of 4.6; it need not in 4.5.
	c, err := s.dial(ctx, pcsclite.MaxMinor-1)
	if err != nil {
		return nil, err
	}
	if err := c.subscribe(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// keepSpare keeps a connection for the next Wait.
func (s *service) keepSpare(c *conn) {
	s.mu.Lock()
	c, s.spare = s.spare, c
	s.mu.Unlock()
	if c != nil {
		c.close()
	}
}

// subscribe requests an event at the next change, and returns when the service has
// recorded the request: pcscd does before it responds. Up to 4.5 the response is a
// table; 4.6 has none, so another request follows. The event may arrive before or
// within that response, so only bytes are counted; the state is read elsewhere.
func (c *conn) subscribe(ctx context.Context) error {
	requests := []pcsclite.Request{{Command: pcsclite.CmdWait}}
	n := pcsclite.FixedReaders * pcsclite.Size(new(pcsclite.ReaderState))
	if c.minor >= 6 {
		requests = append(requests, pcsclite.Request{Command: pcsclite.CmdReadersSize})
		n = pcsclite.Size(new(pcsclite.ReadersSize))
	}
	err := c.exchange(ctx, 0, func() error { return c.send(requests...) })
	if err != nil {
		return err
	}
	return c.skip(ctx, n)
}

// waitEvent waits for the event.
func (c *conn) waitEvent(ctx context.Context) error {
	return c.skip(ctx, pcsclite.Size(new(pcsclite.Event)))
}

// skip reads n bytes and discards them.
func (c *conn) skip(ctx context.Context, n int) error {
	return c.exchange(ctx, 0, func() error {
		_, err := io.CopyN(io.Discard, c.net, int64(n))
		return err
	})
}
