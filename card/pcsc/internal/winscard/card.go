package winscard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// card implements driver.Card.
type card struct {
	service *service
	handle  Handle
	reader  string
	events  uint32 // event count of the reader at Connect

	protocol atomic.Int32 // a driver.Protocol

	// calls is a semaphore: it is held while a call is under way in the system,
	// even if its caller has left.
	calls chan struct{}

	// The rest is used while calls is held.
	lost     error // why the connection can no longer be used
	ownReset bool  // this connection reset the card; the service may report that to it

	closed context.Context // ends when Close is called
	close  context.CancelCauseFunc
	once   sync.Once
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
	// The event count is read before connecting: a card that is exchanged in
	// between is reported as removed later, not taken for the same.
	r, err := s.reader(ctx, reader)
	if err != nil {
		return nil, err
	}
	// pcscd lets SCardConnect wait for the transactions of other programs.
	var h Handle
	err = s.run(ctx, func() (err error) {
		h, err = s.system.Connect(reader)
		return err
	}, func(err error) {
		if err == nil {
			disconnect(h)
		}
	})
	switch {
	case err == driver.UnpoweredCard:
		// pcscd returns this for a card that does not answer to reset.
		return nil, driver.UnresponsiveCard
	case err != nil:
		return nil, err
	}
	p, ok := h.Protocol()
	if !ok {
		s.abandoned.Go(func() { disconnect(h) })
		return nil, driver.ProtoMismatch
	}
	k := &card{service: s, handle: h, reader: reader, events: r.Events, calls: make(chan struct{}, 1)}
	k.protocol.Store(int32(p))
	k.closed, k.close = context.WithCancelCause(context.Background())
	return k, nil
}

func disconnect(h Handle) {
	h.Disconnect(false)
	h.Release()
}

// call runs f when no other call is under way. If ctx ends or the card is closed
// first, call returns and f goes on, with a context that has ended; undo is called
// if f then succeeds.
func (k *card) call(ctx context.Context, f func(context.Context) error, undo func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(k.closed, func() { cancel(driver.InvalidHandle) })()
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	select {
	case k.calls <- struct{}{}:
	case <-ctx.Done():
		return contextError(ctx)
	}
	if k.closed.Err() != nil {
		<-k.calls
		return driver.InvalidHandle
	}
	result := make(chan error)
	go func() {
		defer func() { <-k.calls }()
		err := k.runCall(ctx, f)
		select {
		case result <- err:
		case <-ctx.Done():
			if err == nil {
				undo()
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
		return contextError(ctx)
	}
}

// runCall runs f unless the connection is lost, and records if f loses it. The
// caller holds calls.
func (k *card) runCall(ctx context.Context, f func(context.Context) error) error {
	if k.lost != nil {
		return k.lost
	}
	err := f(ctx)
	if contextLost(err) {
		k.lost = fmt.Errorf("%w: %w", driver.ServiceStopped, err)
		return k.lost
	}
	return err
}

func (k *card) Protocol() driver.Protocol { return driver.Protocol(k.protocol.Load()) }

// maxCommand is the longest command that pcsc-lite and Windows take: extended,
// with data and Le.
const maxCommand = 4 + 3 + 1<<16 + 3 + 2

func (k *card) Transmit(command []byte) ([]byte, error) {
	switch {
	case len(command) < 4:
		return nil, driver.InvalidParameter
	case len(command) > maxCommand:
		return nil, driver.InsufficientBuffer
	}
	// The call may outlive this one, and the command may contain a PIN.
	command = bytes.Clone(command)
	var response []byte
	err := k.call(context.Background(), func(context.Context) error {
		defer clear(command)
		return k.retryOwnReset(func() (err error) {
			response, err = k.handle.Transmit(command)
			return err
		})
	}, func() { clear(response) })
	if err != nil {
		return nil, err
	}
	return response, nil
}

// Control waits as long as the reader does, for example for the user to enter a
// PIN on its keypad.
func (k *card) Control(code uint32, in []byte) ([]byte, error) {
	in = bytes.Clone(in)
	var response []byte
	err := k.call(context.Background(), func(context.Context) error {
		defer clear(in)
		return k.retryOwnReset(func() (err error) {
			response, err = k.handle.Control(code, in)
			return err
		})
	}, func() {})
	if err != nil {
		return nil, err
	}
	return response, nil
}

// retryOwnReset runs f again if it fails because this connection reset the card:
// pcscd reports a reset to the connection that asked for it, too.
func (k *card) retryOwnReset(f func() error) error {
	err := f()
	if err == driver.ResetCard && k.ownReset {
		if err = k.handle.Reconnect(); err == nil {
			err = f()
		}
	}
	if err == nil {
		k.ownReset = false
	}
	return err
}

func (k *card) Begin(ctx context.Context) error {
	ended := ctx.Err()
	err := k.call(ctx, func(ctx context.Context) error {
		return k.retryOwnReset(func() error {
			if err := k.waitFree(ctx); err != nil {
				return err
			}
			return k.handle.Begin()
		})
	}, func() { k.handle.End(false) })
	if err != nil && ended == nil && errors.Is(err, ctx.Err()) { // PC/SC does not say what it waits for
		err = fmt.Errorf("%w: %w", driver.SharingViolation, err)
	}
	return err
}

// waitFree waits until no other program holds the card. SCardBeginTransaction and
// SCardReconnect wait, too, but nothing ends their wait: libpcsclite frees a context
// in SCardReleaseContext that they still use. They wait only if another program
// gets ahead here.
func (k *card) waitFree(ctx context.Context) error {
	for pause := time.Millisecond; k.handle.Busy(); pause = min(2*pause, 32*time.Millisecond) {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

func (k *card) End(reset bool) error {
	return k.call(context.Background(), func(context.Context) error {
		err := k.handle.End(reset)
		if err == nil && reset {
			k.ownReset = true
		}
		return err
	}, func() {})
}

// Reconnect compares the event count before and after: pcscd reconnects a handle
// even if another card is in the reader.
func (k *card) Reconnect(ctx context.Context) error {
	return k.call(ctx, func(ctx context.Context) error {
		if err := k.checkPresent(ctx); err != nil {
			return err
		}
		if err := k.waitFree(ctx); err != nil {
			return err
		}
		if err := k.handle.Reconnect(); err != nil {
			return err
		}
		k.ownReset = false
		if err := k.checkPresent(ctx); err != nil {
			return err
		}
		p, ok := k.handle.Protocol()
		if !ok {
			k.lost = driver.ProtoMismatch
			return k.lost
		}
		k.protocol.Store(int32(p))
		return nil
	}, func() {})
}

// checkPresent returns an error, and marks the connection as lost, if the card was
// removed or exchanged.
func (k *card) checkPresent(ctx context.Context) error {
	ctx, leave, err := k.service.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	r, err := k.service.reader(ctx, k.reader)
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

// Close waits at most closeTimeout of its service. If the card is busy longer, the
// connection ends when the card is done.
func (k *card) Close(reset bool) error {
	k.once.Do(func() {
		k.close(driver.InvalidHandle)
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.calls <- struct{}{}
			k.handle.Disconnect(reset)
			k.handle.Release()
		}()
		waitAtMost(k.service.closeTimeout, done)
	})
	return nil
}
