package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// card is a connection to a card, on a connection to the service that nothing
// else uses.
type card struct {
	conn     *conn
	handle   uint32
	reader   string
	events   uint32 // of the reader when the connection was made
	protocol uint32

	calls   sync.Mutex // held by the call under way
	restart bool       // we reset the card: the service wants to hear that we know

	once   sync.Once
	closed context.Context // ends when Close is called
	close  context.CancelCauseFunc
}

func (s *service) Connect(ctx context.Context, reader string) (driver.Card, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if reader == "" || len(reader) > pcsclite.MaxReaderName {
		return nil, driver.UnknownReader
	}
	conn, err := s.dial(ctx, pcsclite.MaxMinor)
	if err != nil {
		return nil, err
	}
	k := &card{conn: conn, reader: reader}
	if err := k.connect(ctx); err != nil {
		conn.close()
		return nil, err
	}
	k.closed, k.close = context.WithCancelCause(context.Background())
	return k, nil
}

func (k *card) connect(ctx context.Context) error {
	// The count is asked for before: a card that is changed in between is
	// taken for removed, never for the same.
	if err := k.find(ctx, func(events uint32) { k.events = events }); err != nil {
		return err
	}
	m := pcsclite.Connect{
		Context:   k.conn.context,
		Reader:    k.reader,
		Share:     pcsclite.ShareShared,
		Protocols: pcsclite.ProtocolT0 | pcsclite.ProtocolT1,
	}
	// No patience: pcscd waits here for the transactions of others.
	if err := k.conn.call(ctx, 0, pcsclite.CmdConnect, &m); err != nil {
		return err
	}
	err := pcsclite.Errno(m.Result)
	if err == driver.UnpoweredCard {
		// What pcscd says of a card that did not answer when it was powered.
		return driver.UnresponsiveCard
	}
	k.handle, k.protocol = m.Card, m.Protocol
	if err == nil && k.protocol != pcsclite.ProtocolT0 && k.protocol != pcsclite.ProtocolT1 {
		return fmt.Errorf("%w: protocol %#x", driver.ProtoMismatch, k.protocol)
	}
	return err
}

// find looks for the reader in the table.
func (k *card) find(ctx context.Context, found func(events uint32)) error {
	table, err := k.conn.table(ctx)
	if err != nil {
		return err
	}
	for i := range table {
		if table[i].Name == k.reader {
			found(table[i].Events)
			return nil
		}
	}
	return driver.UnknownReader
}

func (k *card) Protocol() driver.Protocol {
	if k.protocol == pcsclite.ProtocolT0 {
		return driver.T0
	}
	return driver.T1
}

// enter begins a call, whose context also ends when the card is closed.
func (k *card) enter(ctx context.Context) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	k.calls.Lock()
	if k.closed.Err() != nil {
		k.calls.Unlock()
		return nil, nil, driver.InvalidHandle
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(k.closed, func() { cancel(driver.InvalidHandle) })
	return ctx, func() {
		stop()
		cancel(nil)
		k.calls.Unlock()
	}, nil
}

// pciLength is the length of SCARD_IO_REQUEST in C on 64 bits. Services ignore
// it.
const pciLength = 16

func (k *card) Transmit(command []byte) ([]byte, error) {
	switch {
	case len(command) < 4:
		return nil, driver.InvalidParameter
	case len(command) > pcsclite.MaxData:
		return nil, driver.InsufficientBuffer
	}
	ctx, leave, err := k.enter(context.Background())
	if err != nil {
		return nil, err
	}
	defer leave()

	var answer []byte
	err = k.patiently(ctx, func() error {
		answer, err = k.exchange(ctx, command)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(answer) < 2:
		// pcscd's word for a card that was pulled out in the middle.
		return nil, fmt.Errorf("%w: answer of %d bytes", driver.NotTransacted, len(answer))
	}
	return answer, nil
}

func (k *card) exchange(ctx context.Context, command []byte) (answer []byte, err error) {
	m := pcsclite.Transmit{
		Card:           k.handle,
		SendProtocol:   k.protocol,
		SendPCI:        pciLength,
		SendLength:     uint32(len(command)),
		ReceivePCIType: k.protocol,
		ReceivePCI:     pciLength,
		ReceiveLength:  pcsclite.MaxData,
	}
	err = k.conn.do(ctx, grace, func() error {
		r := pcsclite.Request{Command: pcsclite.CmdTransmit, Body: &m, Data: command}
		if err := k.conn.send(r); err != nil {
			return err
		}
		if err := pcsclite.ReadResponse(k.conn.net, &m); err != nil || m.Result != 0 {
			return err
		}
		answer, err = pcsclite.ReadData(k.conn.net, int(min(m.ReceiveLength, pcsclite.MaxData+1)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, pcsclite.Errno(m.Result)
}

// Control gives an order to the reader. The one code that has a number of its own
// in pcsc-lite is translated.
func (k *card) Control(code uint32, in []byte) ([]byte, error) {
	if code == driver.FeatureRequest {
		code = pcsclite.ControlCode(3400)
	}
	ctx, leave, err := k.enter(context.Background())
	if err != nil {
		return nil, err
	}
	defer leave()
	var answer []byte
	err = k.patiently(ctx, func() error {
		answer, err = k.order(ctx, code, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (k *card) order(ctx context.Context, code uint32, in []byte) (answer []byte, err error) {
	m := pcsclite.Control{Card: k.handle, Code: code, SendLength: uint32(len(in)), ReceiveLength: maxOrder}
	err = k.conn.do(ctx, orderTime, func() error {
		r := pcsclite.Request{Command: pcsclite.CmdControl, Body: &m, Data: in}
		if err := k.conn.send(r); err != nil {
			return err
		}
		if err := pcsclite.ReadResponse(k.conn.net, &m); err != nil || m.Result != 0 {
			return err
		}
		answer, err = pcsclite.ReadData(k.conn.net, int(min(m.Returned, maxOrder+1)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, pcsclite.Errno(m.Result)
}

const (
	maxOrder  = 512             // bytes of answer to an order
	orderTime = 3 * time.Minute // somebody may be typing
)

func (k *card) Begin(ctx context.Context) error {
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return k.patiently(ctx, func() error {
		m := pcsclite.Begin{Card: k.handle}
		if err := k.conn.call(ctx, grace, pcsclite.CmdBegin, &m); err != nil {
			return err
		}
		return pcsclite.Errno(m.Result)
	})
}

// patiently tries until no other connection holds the card. It also takes note
// of the reset that we ourselves asked for, which pcscd tells us about too.
func (k *card) patiently(ctx context.Context, try func() error) error {
	pause := time.Millisecond
	for {
		err := try()
		if err == driver.ResetCard && k.restart {
			err = k.reconnect(ctx)
			if err == nil {
				continue
			}
		}
		if err != driver.SharingViolation {
			return err
		}
		// pcscd lets a Begin that fails take 100 ms. Status fails at once, and
		// says the same.
		for err == driver.SharingViolation {
			if ended := sleep(ctx, pause); ended != nil {
				return fmt.Errorf("%w: %w", err, ended)
			}
			pause = min(2*pause, 20*time.Millisecond)
			err = k.status(ctx)
		}
	}
}

func (k *card) status(ctx context.Context) error {
	m := pcsclite.Status{Card: k.handle}
	if err := k.conn.call(ctx, grace, pcsclite.CmdStatus, &m); err != nil {
		return err
	}
	return pcsclite.Errno(m.Result)
}

func (k *card) End(reset bool) error {
	ctx, leave, err := k.enter(context.Background())
	if err != nil {
		return err
	}
	defer leave()
	m := pcsclite.End{Card: k.handle, Disposition: disposition(reset)}
	if err := k.conn.call(ctx, grace, pcsclite.CmdEnd, &m); err != nil {
		return err
	}
	if m.Result == 0 && reset {
		k.restart = true
	}
	return pcsclite.Errno(m.Result)
}

func (k *card) Reconnect(ctx context.Context) error {
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := k.reconnect(ctx)
		if err != driver.SharingViolation {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// reconnect takes note of a reset, unless another card is in the reader: to
// pcscd that is the same.
func (k *card) reconnect(ctx context.Context) error {
	if err := k.status(ctx); err != nil && err != driver.ResetCard {
		return err
	}
	m := pcsclite.Reconnect{
		Card:      k.handle,
		Share:     pcsclite.ShareShared,
		Protocols: pcsclite.ProtocolT0 | pcsclite.ProtocolT1,
	}
	if err := k.conn.call(ctx, grace, pcsclite.CmdReconnect, &m); err != nil {
		return err
	}
	if m.Result != 0 {
		return pcsclite.Errno(m.Result)
	}
	k.restart = false
	var events uint32
	if err := k.find(ctx, func(n uint32) { events = n }); err != nil {
		return err
	}
	if events != k.events {
		k.conn.lost = driver.RemovedCard
		k.conn.net.Close()
		return driver.RemovedCard
	}
	if m.Protocol != pcsclite.ProtocolT0 && m.Protocol != pcsclite.ProtocolT1 {
		return fmt.Errorf("%w: protocol %#x", driver.ProtoMismatch, m.Protocol)
	}
	k.protocol = m.Protocol
	return nil
}

// goodbye is how long Close waits for the service. A reset that the service was
// asked for is done in any case.
const goodbye = time.Second

func (k *card) Close(reset bool) error {
	k.once.Do(func() {
		k.close(driver.InvalidHandle)
		// Ends what waits; a command that the card is busy with is left alone
		// after a moment, see grace.
		k.calls.Lock()
		defer k.calls.Unlock()
		defer k.conn.close()
		if k.conn.lost != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		m := pcsclite.Disconnect{Card: k.handle, Disposition: disposition(reset)}
		if k.conn.call(ctx, 0, pcsclite.CmdDisconnect, &m) == nil {
			r := pcsclite.Release{Context: k.conn.context}
			k.conn.call(ctx, 0, pcsclite.CmdRelease, &r)
		}
	})
	return nil
}

func disposition(reset bool) uint32 {
	if reset {
		return pcsclite.Reset
	}
	return pcsclite.Leave
}
