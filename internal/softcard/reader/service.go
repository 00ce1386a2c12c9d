package reader

import (
	"context"
	"sync"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Service is a driver that works in this process, one client of the set. Each
// call makes a new one. Closing it leaves the set as it is.
func (s *Set) Service() driver.Service {
	return &service{set: s, closed: make(chan struct{})}
}

type service struct {
	set    *Set
	once   sync.Once
	closed chan struct{}
}

func (s *service) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// open is the error of a call that may not go on.
func (s *service) open(ctx context.Context) error {
	select {
	case <-s.closed:
		return driver.InvalidHandle
	default:
		return ctx.Err()
	}
}

func (s *service) Readers(ctx context.Context) ([]driver.Reader, error) {
	readers, _, err := s.look(ctx)
	return readers, err
}

func (s *service) look(ctx context.Context) ([]driver.Reader, <-chan struct{}, error) {
	if err := s.open(ctx); err != nil {
		return nil, nil, err
	}
	states, changed, err := s.set.Snapshot()
	if err != nil {
		return nil, nil, err
	}
	readers := make([]driver.Reader, len(states))
	for i, st := range states {
		readers[i] = driver.Reader{
			Name:      st.Name,
			Events:    st.Events,
			Present:   st.Present,
			Mute:      st.Mute,
			InUse:     st.Sharing != 0,
			Exclusive: st.Sharing < 0,
			ATR:       st.ATR,
		}
	}
	return readers, changed, nil
}

func (s *service) Wait(ctx context.Context, known []driver.Reader) ([]driver.Reader, error) {
	for first := true; ; first = false {
		now, changed, err := s.look(ctx)
		if err == driver.NoService && !first {
			err = driver.ServiceStopped // while we waited
		}
		if err != nil {
			return nil, err
		}
		if !driver.SameCards(known, now) {
			return now, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.closed:
			return nil, driver.Cancelled
		}
	}
}

func (s *service) Connect(ctx context.Context, reader string) (driver.Card, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	c, err := s.set.Connect(reader, Mode{})
	if err != nil {
		return nil, err
	}
	return connected{c}, nil
}

// connected is a connection as the driver interface has it: to one card, so
// that one in place of a removed card needs a new connection.
type connected struct{ conn *Conn }

func (c connected) Protocol() driver.Protocol {
	if c.conn.Protocol() == T0 {
		return driver.T0
	}
	return driver.T1
}

func (c connected) Transmit(command []byte) ([]byte, error) { return c.conn.Transmit(command) }

// Control: readers without keys have no features.
func (c connected) Control(code uint32, in []byte) ([]byte, error) {
	if code != driver.FeatureRequest {
		return c.conn.Order(code, in)
	}
	features := c.conn.Features()
	if features == nil {
		return nil, driver.UnsupportedFeature
	}
	return features, nil
}

func (c connected) Begin(ctx context.Context) error { return c.conn.Begin(ctx) }

func (c connected) End(reset bool) error { return c.conn.End(disposition(reset)) }

func (c connected) Reconnect(ctx context.Context) error {
	return c.conn.reconnect(ctx, Mode{}, Leave, true)
}

func (c connected) Close(reset bool) error { return c.conn.Close(disposition(reset)) }

func disposition(reset bool) Disposition {
	if reset {
		return Reset
	}
	return Leave
}
