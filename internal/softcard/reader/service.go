package reader

import (
	"context"
	"sync"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Service returns an in-process driver, one client of the set. Closing it does not
// change the set.
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

// check returns an error if the service is closed or ctx has ended.
func (s *service) check(ctx context.Context) error {
	select {
	case <-s.closed:
		return driver.InvalidHandle
	default:
		return ctx.Err()
	}
}

func (s *service) Readers(ctx context.Context) ([]driver.Reader, error) {
	readers, _, err := s.snapshot(ctx)
	return readers, err
}

func (s *service) snapshot(ctx context.Context) ([]driver.Reader, <-chan struct{}, error) {
	if err := s.check(ctx); err != nil {
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
		now, changed, err := s.snapshot(ctx)
		if err == driver.NoService && !first {
			err = driver.ServiceStopped // it stopped during the wait
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
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	c, err := s.set.Connect(reader, Mode{})
	if err != nil {
		return nil, err
	}
	return driverCard{c}, nil
}

// A driverCard is a connection to one card: after its removal it does not
// reconnect to the next card.
type driverCard struct{ conn *Conn }

func (c driverCard) Protocol() driver.Protocol {
	if c.conn.Protocol() == T0 {
		return driver.T0
	}
	return driver.T1
}

func (c driverCard) Transmit(command []byte) ([]byte, error) { return c.conn.Transmit(command) }

func (c driverCard) Control(code uint32, in []byte) ([]byte, error) {
	if code != driver.FeatureRequest {
		return c.conn.Control(code, in)
	}
	features := c.conn.Features()
	if features == nil {
		return nil, driver.UnsupportedFeature
	}
	return features, nil
}

func (c driverCard) Begin(ctx context.Context) error { return c.conn.Begin(ctx) }

func (c driverCard) End(reset bool) error { return c.conn.End(disposition(reset)) }

func (c driverCard) Reconnect(ctx context.Context) error {
	return c.conn.reconnect(ctx, Mode{}, Leave, true)
}

func (c driverCard) Close(reset bool) error { return c.conn.Close(disposition(reset)) }

func disposition(reset bool) Disposition {
	if reset {
		return Reset
	}
	return Leave
}
