package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// card implements driver.Card on a connection to the service that nothing else
// uses.
type card struct {
	conn         *conn
	handle       uint32
	reader       string
	events       uint32 // event count of the reader at Connect
	protocol     uint32
	closeTimeout time.Duration

	calls    sync.Mutex // held by the call under way
	ownReset bool       // this connection reset the card; the service reports that to it, too

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
	k := &card{conn: conn, reader: reader, closeTimeout: s.closeTimeout}
	if err := k.connect(ctx); err != nil {
		conn.close()
		return nil, err
	}
	k.closed, k.close = context.WithCancelCause(context.Background())
	return k, nil
}

func (k *card) connect(ctx context.Context) (err error) {
	// The event count is read before connecting: a card that is exchanged in
	// between is reported as removed later, not taken for the same.
	if k.events, err = k.readEvents(ctx); err != nil {
		return err
	}
	m := pcsclite.Connect{
		Context:   k.conn.context,
		Reader:    k.reader,
		Share:     pcsclite.ShareShared,
		Protocols: pcsclite.ProtocolT0 | pcsclite.ProtocolT1,
	}
	// No grace: pcscd lets this wait for the transactions of other programs.
	if err := k.conn.call(ctx, 0, pcsclite.CmdConnect, &m); err != nil {
		return err
	}
	err = pcsclite.Errno(m.Result)
	if err == driver.UnpoweredCard {
		// pcscd returns this for a card that does not answer to reset.
		return driver.UnresponsiveCard
	}
	if err != nil {
		return err
	}
	k.handle = m.Card
	return k.setProtocol(m.Protocol)
}

func (k *card) setProtocol(protocol uint32) error {
	if protocol != pcsclite.ProtocolT0 && protocol != pcsclite.ProtocolT1 {
		return fmt.Errorf("%w: protocol %#x", driver.ProtoMismatch, protocol)
	}
	k.protocol = protocol
	return nil
}

// readEvents reads the event count of the reader.
func (k *card) readEvents(ctx context.Context) (uint32, error) {
	table, err := k.conn.table(ctx)
	if err != nil {
		return 0, err
	}
	for i := range table {
		if table[i].Name == k.reader {
			return table[i].Events, nil
		}
	}
	return 0, driver.UnknownReader
}

func (k *card) Protocol() driver.Protocol {
	if k.protocol == pcsclite.ProtocolT0 {
		return driver.T0
	}
	return driver.T1
}

// enter begins a call. The returned context also ends when the card is closed.
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

// pciLength is sizeof(SCARD_IO_REQUEST) on 64-bit systems. Services ignore it.
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

	var response []byte
	err = k.retryBusy(ctx, func() error {
		response, err = k.transmit(ctx, command)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(response) < 2:
		// pcscd returns success if the card is removed during the command.
		return nil, fmt.Errorf("%w: response of %d bytes", driver.NotTransacted, len(response))
	}
	return response, nil
}

func (k *card) transmit(ctx context.Context, command []byte) (response []byte, err error) {
	m := pcsclite.Transmit{
		Card:           k.handle,
		SendProtocol:   k.protocol,
		SendPCI:        pciLength,
		SendLength:     uint32(len(command)),
		ReceivePCIType: k.protocol,
		ReceivePCI:     pciLength,
		ReceiveLength:  pcsclite.MaxData,
	}
	err = k.conn.exchange(ctx, responseGrace, func() error {
		r := pcsclite.Request{Command: pcsclite.CmdTransmit, Body: &m, Data: command}
		if err := k.conn.send(r); err != nil {
			return err
		}
		if err := pcsclite.ReadResponse(k.conn.net, &m); err != nil || m.Result != 0 {
			return err
		}
		response, err = pcsclite.ReadData(k.conn.net, int(min(m.ReceiveLength, pcsclite.MaxData+1)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return response, pcsclite.Errno(m.Result)
}

// Control translates FeatureRequest, whose value is that of Windows.
func (k *card) Control(code uint32, in []byte) ([]byte, error) {
	if code == driver.FeatureRequest {
		code = pcsclite.ControlCode(3400)
	}
	ctx, leave, err := k.enter(context.Background())
	if err != nil {
		return nil, err
	}
	defer leave()
	var response []byte
	err = k.retryBusy(ctx, func() error {
		response, err = k.control(ctx, code, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}

func (k *card) control(ctx context.Context, code uint32, in []byte) (response []byte, err error) {
	m := pcsclite.Control{Card: k.handle, Code: code, SendLength: uint32(len(in)), ReceiveLength: maxControlResponse}
	err = k.conn.exchange(ctx, responseGrace, func() error {
		r := pcsclite.Request{Command: pcsclite.CmdControl, Body: &m, Data: in}
		if err := k.conn.send(r); err != nil {
			return err
		}
		if err := pcsclite.ReadResponse(k.conn.net, &m); err != nil || m.Result != 0 {
			return err
		}
		response, err = pcsclite.ReadData(k.conn.net, int(min(m.Returned, maxControlResponse+1)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return response, pcsclite.Errno(m.Result)
}

// maxControlResponse is the maximum length of a response of a reader in bytes.
const maxControlResponse = 512

func (k *card) Begin(ctx context.Context) error {
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return k.retryBusy(ctx, func() error {
		m := pcsclite.Begin{Card: k.handle}
		if err := k.conn.call(ctx, responseGrace, pcsclite.CmdBegin, &m); err != nil {
			return err
		}
		return pcsclite.Errno(m.Result)
	})
}

// retryBusy repeats f while another connection has a transaction. It also
// acknowledges a reset that this connection asked for: pcscd reports it to this
// connection, too.
func (k *card) retryBusy(ctx context.Context, f func() error) error {
	pause := time.Millisecond
	for {
		err := f()
		if err == driver.ResetCard && k.ownReset {
			err = k.reconnect(ctx)
			if err == nil {
				continue
			}
		}
		if err != driver.SharingViolation {
			return err
		}
		// A Begin that fails takes 100 ms in pcscd. Status fails at once with
		// the same error.
		for err == driver.SharingViolation {
			switch ended := sleep(ctx, pause); {
			case ended == nil:
			case errors.Is(ended, ctx.Err()): // else the connection was closed
				return fmt.Errorf("%w: %w", err, ended)
			default:
				return ended
			}
			pause = min(2*pause, 20*time.Millisecond)
			err = k.status(ctx)
		}
	}
}

func (k *card) status(ctx context.Context) error {
	m := pcsclite.Status{Card: k.handle}
	if err := k.conn.call(ctx, responseGrace, pcsclite.CmdStatus, &m); err != nil {
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
	if err := k.conn.call(ctx, responseGrace, pcsclite.CmdEnd, &m); err != nil {
		return err
	}
	if m.Result == 0 && reset {
		k.ownReset = true
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

// reconnect acknowledges a reset. It compares the event count afterwards: pcscd
// reconnects even if another card is in the reader.
func (k *card) reconnect(ctx context.Context) error {
	if err := k.status(ctx); err != nil && err != driver.ResetCard {
		return err
	}
	m := pcsclite.Reconnect{
		Card:      k.handle,
		Share:     pcsclite.ShareShared,
		Protocols: pcsclite.ProtocolT0 | pcsclite.ProtocolT1,
	}
	if err := k.conn.call(ctx, responseGrace, pcsclite.CmdReconnect, &m); err != nil {
		return err
	}
	if m.Result != 0 {
		return pcsclite.Errno(m.Result)
	}
	k.ownReset = false
	events, err := k.readEvents(ctx)
	if err != nil {
		return err
	}
	if events != k.events {
		k.conn.lost = driver.RemovedCard
		k.conn.net.Close()
		return driver.RemovedCard
	}
	return k.setProtocol(m.Protocol)
}

// Close waits at most responseGrace for the call under way and closeTimeout for
// the service. If the connection is lost, the service itself resets a card that
// was in a transaction.
func (k *card) Close(reset bool) error {
	k.once.Do(func() {
		k.close(driver.InvalidHandle)
		k.calls.Lock()
		defer k.calls.Unlock()
		defer k.conn.close()
		if k.conn.lost != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), k.closeTimeout)
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
