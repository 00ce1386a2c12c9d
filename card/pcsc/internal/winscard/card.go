package winscard

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/smartlogon/smartlogon/card/driver"
)

// card is a connection to a card.
type card struct {
	service *service
	handle  Handle
	reader  string
	events  uint32 // of the reader when the connection was made

	// line has a token in it while a call is under way in the system, also one
	// that its caller has left alone.
	line chan struct{}

	// The rest belongs to whoever has the line.
	protocol driver.Protocol
	lost     error // why the connection can no longer be used
	restart  bool  // we reset the card: the service may want to hear that we know

	closed context.Context // ends when Close is called
	close  context.CancelCauseFunc
	once   sync.Once

	mu       sync.Mutex // guards what follows
	waits    bool       // the call under way waits for other programs
	released bool
}

func (s *service) Connect(ctx context.Context, reader string) (driver.Card, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if reader == "" || strings.ContainsRune(reader, 0) {
		return nil, driver.UnknownReader
	}
	// The count is asked for before: a card that is changed in between is
	// taken for removed, never for the same.
	r, err := s.find(ctx, reader)
	if err != nil {
		return nil, err
	}
	// pcscd waits here for the transactions of others.
	var h Handle
	err = s.do(ctx, func() (err error) {
		h, err = s.system.Connect(reader)
		return err
	}, func(err error) {
		if err == nil {
			h.Disconnect(false)
			h.Release()
		}
	})
	switch {
	case err == driver.UnpoweredCard:
		// What pcscd says of a card that did not answer when it was powered.
		return nil, driver.UnresponsiveCard
	case err != nil:
		return nil, err
	}
	p, ok := h.Protocol()
	if !ok {
		h.Disconnect(false)
		h.Release()
		return nil, driver.ProtoMismatch
	}
	k := &card{service: s, handle: h, reader: reader, events: r.Events, protocol: p, line: make(chan struct{}, 1)}
	k.closed, k.close = context.WithCancelCause(context.Background())
	return k, nil
}

// call runs a call of the system when none is under way. When ctx ends or the
// card is closed first, the call is left alone, and late is called if it was
// successful all the same.
func (k *card) call(ctx context.Context, waits bool, f func() error, late func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(k.closed, func() { cancel(driver.InvalidHandle) })()
	if ctx.Err() != nil {
		return ended(ctx)
	}
	select {
	case k.line <- struct{}{}:
	case <-ctx.Done():
		return ended(ctx)
	}
	if k.closed.Err() != nil {
		<-k.line
		return driver.InvalidHandle
	}
	result := make(chan error)
	go func() {
		defer func() { <-k.line }()
		err := k.alive(waits, f)
		select {
		case result <- err:
		case <-ctx.Done():
			if err == nil {
				late()
			}
		}
	}()
	select {
	case err := <-result:
		if err != nil && k.closed.Err() != nil {
			return driver.InvalidHandle
		}
		return err
	case <-ctx.Done():
		return ended(ctx)
	}
}

// alive runs a call unless the connection is lost, and notices when it gets
// lost. It is called with the line.
func (k *card) alive(waits bool, f func() error) error {
	if k.lost != nil {
		return k.lost
	}
	k.mu.Lock()
	k.waits = waits
	k.mu.Unlock()
	err := f()
	k.mu.Lock()
	k.waits = false
	k.mu.Unlock()
	if dead(err) {
		k.lost = fmt.Errorf("%w: %w", driver.ServiceStopped, err)
		return k.lost
	}
	return err
}

func (k *card) Protocol() driver.Protocol {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.protocol
}

// maxCommand is what pcsc-lite and winscard take at most: an extended command
// with all it can have.
const maxCommand = 4 + 3 + 1<<16 + 3 + 2

func (k *card) Transmit(command []byte) ([]byte, error) {
	switch {
	case len(command) < 4:
		return nil, driver.InvalidParameter
	case len(command) > maxCommand:
		return nil, driver.InsufficientBuffer
	}
	// The call may outlive this one, and the command may have a PIN in it.
	command = bytes.Clone(command)
	var answer []byte
	err := k.call(context.Background(), false, func() error {
		defer clear(command)
		return k.knowing(func() (err error) {
			answer, err = k.handle.Transmit(command)
			return err
		})
	}, func() { clear(answer) })
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// Control gives an order to the reader, which may wait for somebody to type.
func (k *card) Control(code uint32, in []byte) ([]byte, error) {
	in = bytes.Clone(in)
	var answer []byte
	err := k.call(context.Background(), false, func() error {
		return k.knowing(func() (err error) {
			answer, err = k.handle.Control(code, in)
			return err
		})
	}, func() {})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// knowing runs a call, once more when it fails because of a reset that we
// ourselves asked for, which pcscd tells us about too.
func (k *card) knowing(f func() error) error {
	err := f()
	if err == driver.ResetCard && k.restart {
		if err = k.handle.Reconnect(); err == nil {
			err = f()
		}
	}
	if err == nil {
		k.restart = false
	}
	return err
}

func (k *card) Begin(ctx context.Context) error {
	return k.call(ctx, true, func() error { return k.knowing(k.handle.Begin) }, func() { k.handle.End(false) })
}

func (k *card) End(reset bool) error {
	return k.call(context.Background(), false, func() error {
		err := k.handle.End(reset)
		if err == nil && reset {
			k.restart = true
		}
		return err
	}, func() {})
}

// Reconnect fails where another card is in the reader: pcscd lets an old handle
// have it.
func (k *card) Reconnect(ctx context.Context) error {
	return k.call(ctx, true, func() error {
		if err := k.same(ctx); err != nil {
			return err
		}
		if err := k.handle.Reconnect(); err != nil {
			return err
		}
		k.restart = false
		if err := k.same(ctx); err != nil {
			return err
		}
		p, ok := k.handle.Protocol()
		if !ok {
			k.lost = driver.ProtoMismatch
			return k.lost
		}
		k.mu.Lock()
		k.protocol = p
		k.mu.Unlock()
		return nil
	}, func() {})
}

// same fails when the card is not in the reader any more, now and for ever.
func (k *card) same(ctx context.Context) error {
	ctx, leave, err := k.service.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	r, err := k.service.find(ctx, k.reader)
	switch {
	case err == driver.UnknownReader:
		k.lost = driver.ReaderUnavailable
		return k.lost
	case err != nil:
		return err
	case !r.Present || r.Events != k.events:
		k.lost = driver.RemovedCard
		return k.lost
	}
	return nil
}

// Close returns after a moment if the card is busy. The connection then ends
// when the card is done.
func (k *card) Close(reset bool) error {
	k.once.Do(func() {
		k.close(driver.InvalidHandle)
		// A call that waits for other programs can be ended, by taking the
		// context away under it. Not so if the card is to be reset: that waits
		// for the other programs too, and needs the handle.
		if !reset {
			k.mu.Lock()
			if k.waits {
				k.released = true
				k.handle.Release()
			}
			k.mu.Unlock()
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.line <- struct{}{}
			if !k.released {
				k.handle.Disconnect(reset)
				k.handle.Release()
			}
		}()
		within(goodbye, done)
	})
	return nil
}
