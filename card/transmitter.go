package card

import (
	"context"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Transmitter sends one command APDU to a card and returns the answer, status
// word included. It need not be safe for concurrent use: a Card takes turns.
type Transmitter interface {
	Transmit(command []byte) ([]byte, error)
}

// New makes a Card of any transport: a transcript, NFC, a test. It is taken to
// speak as T=1 does, and to be nobody else's. A Reset method, if there is one,
// is used where a section would reset the card.
func New(name string, t Transmitter) *Card {
	d := &transport{name: name, card: t}
	return &Card{service: NewService(d, nil), reader: name, serial: 1}
}

// A transport is a reader whose only card is a Transmitter, and the connection
// to it.
type transport struct {
	name string
	card Transmitter
}

func (t *transport) Readers(context.Context) ([]driver.Reader, error) {
	return []driver.Reader{{Name: t.name, Present: true}}, nil
}

// Wait has nobody to ask for it: only the Card is handed out.
func (t *transport) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (t *transport) Connect(context.Context, string) (driver.Card, error) { return connection{t}, nil }

func (t *transport) Close() error { return nil }

// A connection has no state of its own: there is nobody to share with.
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
