package card

import (
	"context"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Transmitter sends one command APDU to a card and returns the response APDU, status
// word included. The response must not change afterwards. A Transmitter need not be
// safe for concurrent use.
type Transmitter interface {
	Transmit(command []byte) ([]byte, error)
}

// New returns a Card whose commands t sends, for example over NFC or in a test. The
// name takes the place of a reader's. Commands are encoded as for T=1, and no other
// program is assumed to use the card. To reset the card, the method Reset of t is
// called, if it has one.
func New(name string, t Transmitter) *Card {
	d := &transport{name: name, card: t}
	return &Card{service: NewService(d, nil), reader: name, serial: 1}
}

// A transport is a driver with one reader, whose card is a Transmitter.
type transport struct {
	name string
	card Transmitter
}

func (t *transport) Readers(context.Context) ([]driver.Reader, error) {
	return []driver.Reader{{Name: t.name, Present: true}}, nil
}

// Wait is never called: New returns no Service.
func (t *transport) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (t *transport) Connect(context.Context, string) (driver.Card, error) { return connection{t}, nil }

func (t *transport) Close() error { return nil }

// A connection is the only one to its card.
type connection struct{ *transport }

func (c connection) Protocol() driver.Protocol               { return driver.T1 }
func (c connection) Transmit(command []byte) ([]byte, error) { return c.card.Transmit(command) }
func (c connection) Begin(ctx context.Context) error         { return ctx.Err() }
func (c connection) End(reset bool) error                    { return c.Close(reset) }
func (c connection) Reconnect(ctx context.Context) error     { return ctx.Err() }

func (c connection) Close(reset bool) error {
	if r, ok := c.card.(interface{ Reset() }); ok && reset {
		r.Reset()
	}
	return nil
}
