package card_test

import (
	"bytes"
	"context"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A fakeService is a driver with one reader and a card that returns 9000 to every
// command, or an error.
type fakeService struct {
	atr      []byte
	connect  error // of Connect
	transmit error // of Transmit
}

func (f fakeService) Readers(context.Context) ([]driver.Reader, error) {
	return []driver.Reader{{Name: zero, Present: true, ATR: f.atr}}, nil
}

func (f fakeService) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (f fakeService) Connect(ctx context.Context, _ string) (driver.Card, error) {
	return fakeCard{f, sentOf(ctx)}, f.connect
}

func (f fakeService) Close() error { return nil }

type fakeCard struct {
	fakeService
	sent *[]byte
}

func (c fakeCard) Protocol() driver.Protocol       { return driver.T1 }
func (c fakeCard) Begin(context.Context) error     { return nil }
func (c fakeCard) End(bool) error                  { return nil }
func (c fakeCard) Reconnect(context.Context) error { return nil }
func (c fakeCard) Close(bool) error                { return nil }

func (c fakeCard) Transmit(command []byte) ([]byte, error) {
	if c.transmit != nil {
		return nil, c.transmit
	}
	if c.sent != nil {
		*c.sent = bytes.Clone(command)
	}
	return []byte{0x90, 0x00}, nil
}

type sentKey struct{}

// withCommands stores the last command to the card of a fakeService in sent.
func withCommands(ctx context.Context, sent *[]byte) context.Context {
	return context.WithValue(ctx, sentKey{}, sent)
}

func sentOf(ctx context.Context) *[]byte {
	sent, _ := ctx.Value(sentKey{}).(*[]byte)
	return sent
}
