package card

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// MaxResponse is the Ne of a command whose response may have any length.
const MaxResponse = 65536

// A Command is one command to an application on the card (ISO/IEC 7816-4, 5.1). It
// may take several exchanges.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte

	// Ne is the maximum number of bytes of response data expected, 0 for none.
	// If the card returns more, all of it is returned.
	Ne int

	// Part is the maximum number of data bytes in one APDU: longer data is
	// chained. 0 means the limit of card and reader. Some applications accept
	// less than the card does.
	Part int

	// Secret keeps Data and the response out of logs and traces. Set it for a
	// command that carries a PIN or a key. It is implied for the instructions
	// that ISO/IEC 7816-4 defines for that; see [Trace].
	Secret bool

	// Touch says that the card may wait for the user to touch it. [Trace]
	// reports it if there is no response soon.
	Touch bool
}

// Command sends c and returns the response without its status word. It chains
// commands and responses, or uses extended length if card and reader are known to
// support it, and repeats a command whose Le the card corrects (6Cxx).
//
// A status other than 9000 is an error that wraps the [Status]. Data that came with
// it is returned, too.
func (tx *Tx) Command(c Command) ([]byte, error) {
	c.Data = bytes.Clone(c.Data) // the command may outlast the call
	response, err := tx.run(&trip{command: c})
	return response, wrap(tx.card.reader, insName(c.INS), err)
}

// Select selects an application by its identifier or the beginning of one, and
// returns its response. If the card has no such application the error wraps
// [StatusNotFound].
func (tx *Tx) Select(aid []byte) ([]byte, error) {
	response, err := tx.run(&trip{command: Command{INS: 0xA4, P1: 0x04, Data: bytes.Clone(aid), Ne: 256}})
	if errors.Is(err, StatusNotSupported) || errors.Is(err, StatusWrongParameters) { // old cards, of selection by name
		err = fmt.Errorf("%w: %w", StatusNotFound, err)
	}
	return response, wrap(tx.card.reader, insName(0xA4), err)
}

// A trip is one command on its way: one or more APDUs and their responses. It owns
// the data of the command and zeroes it when it is over.
type trip struct {
	tx      *Tx
	command Command
	count   int  // APDUs sent
	started bool // the goroutine of the trip zeroes its data

	response []byte // the outcome
	err      error

	// The rest is for a command that carries a PIN.
	pin           refusal     // the PIN in it, to remember it by
	set           refusal     // the PIN that it sets
	changes       bool        // it sets a PIN
	secretIsRight bool        // the card has accepted what authorizes the change
	done          func(error) // is called with the outcome, even if the transaction was left

	tries bool   // it is sent in one APDU, only to see whether the reader passes it
	pad   uint32 // the control code by which the user enters the PIN on the reader
	order []byte // the structure for that
}

// discard zeroes the data of a trip that was not started.
func (t *trip) discard() {
	if !t.started {
		clear(t.command.Data)
	}
}

// run sends a command.
func (tx *Tx) run(t *trip) ([]byte, error) {
	if err := tx.usable(); err != nil {
		t.discard()
		return nil, err
	}
	return tx.start(t)
}

// start sends the command of t.
func (tx *Tx) start(t *trip) ([]byte, error) {
	t.tx, t.started = tx, true
	if left := tx.leaveBehind(t.finish); left != nil {
		return nil, left // the call that was left behind sets the fields of t
	}
	return t.response, t.err
}

// finish completes the trip and keeps the outcome.
func (t *trip) finish() {
	defer clear(t.command.Data)
	t.response, t.err = t.complete()
}

// leaveBehind runs call, which talks to the card or the reader. No PC/SC call that
// does can be canceled: if the context ends first, call is left behind to finish,
// chains included, and the transaction ends after it. Then the error is the
// context's; call must not use what the caller reuses.
func (tx *Tx) leaveBehind(call func()) error {
	if tx.ctx.Done() == nil { // a logout
		call()
		return nil
	}
	if tx.returned == nil {
		tx.returned = make(chan struct{}, 1)
	}
	returned := tx.returned
	go func() {
		defer func() { returned <- struct{}{} }()
		call()
	}()
	select {
	case <-returned:
		return nil
	case <-tx.ctx.Done():
		tx.pending = returned
		return contextError(tx.ctx)
	}
}

// usable returns why no command can be sent, nil while one can.
func (tx *Tx) usable() error {
	switch {
	case tx.over:
		return ErrOver
	case tx.pending != nil: // the call that was left behind uses the other fields
		return contextError(tx.ctx)
	case tx.lost != nil:
		return tx.lost
	case tx.ctx.Err() != nil:
		return contextError(tx.ctx)
	}
	return nil
}

// maxExchanges bounds the APDUs of one command: 64 KiB both ways in pieces of 255
// bytes, and room for corrections of length.
const maxExchanges = 600

// complete sends the command in the form that the card supports, and learns from
// the outcome.
func (t *trip) complete() (response []byte, err error) {
	if t.done != nil {
		defer func() {
			if err == nil && len(response) > 0 {
				err = malformed("%d bytes of data in the response to a PIN", len(response))
			}
			t.done(err)
		}()
	}
	c, tx := t.command, t.tx
	if t.pad != 0 {
		return t.apdu(c, func(Command) []byte { return t.order })
	}
	if len(c.Data) > maxData {
		return nil, fmt.Errorf("%d bytes of data are more than a command can carry", len(c.Data))
	}
	if t.tries {
		response, err = t.send(c, true)
		tx.noteTry(len(c.Data), err)
		return response, err
	}
	if t.done != nil || len(c.Data) <= maxShortData && c.Ne <= maxShortResponse { // a PIN is not sent twice
		return t.send(c, false)
	}
	limit := tx.limit()
	if !tx.extended(c, limit) {
		response, err = t.send(c, false)
		if errors.Is(err, statusNoChaining) && !fault.IsPartial(err) && limit != shortOnly && c.Part == 0 {
			return t.send(c, true) // the card has performed nothing
		}
		return response, err
	}
	if size := tx.readerSize(); size > maxShortResponse {
		c.Ne = min(c.Ne, size)
	}
	response, err = t.send(c, true)
	if !tx.learn(c, limit, err) {
		return response, err
	}
	if tx.lost != nil {
		return nil, tx.lost
	}
	first := err
	response, err = t.send(c, false)
	tx.unlearn(limit, first, err)
	return response, err
}

// send sends the command once, extended or chained, and fetches the response. A status
// after the first part of a command or a response is marked with fault.Partial.
func (t *trip) send(c Command, extended bool) (response []byte, err error) {
	if extended {
		response, err = t.apdu(c, extendedAPDU)
	} else {
		rest, most := c.Data, maxShortData
		if len(rest) > most {
			most = maxPart
		}
		if c.Part > 0 {
			most = min(most, c.Part)
		}
		if bound := t.tx.card.service.options.MaxCommand; bound > 0 {
			const header = 6 // with Lc and Le
			most = min(most, max(bound, leastCommand)-header)
		}
		accepted := false
		defer func() {
			if accepted && errors.As(err, new(Status)) {
				err = fault.Partial(err)
			}
		}()
		for len(rest) > most {
			part := Command{CLA: c.CLA | chained, INS: c.INS, P1: c.P1, P2: c.P2, Data: rest[:most], Secret: c.Secret}
			if response, err = t.apdu(part, t.short()); err != nil {
				return response, err
			}
			accepted = true
			rest = rest[most:]
		}
		c.Data, c.Ne = rest, min(c.Ne, 256)
		response, err = t.apdu(c, t.short())
	}
	var status Status
	if errors.As(err, &status) && status.more() {
		return t.fetch(c, response, status)
	}
	return response, err
}

// fetch fetches the rest of a response announced by 61xx (ISO/IEC 7816-4, 5.3.4),
// always all of it: some cards return the rest to the next command.
func (t *trip) fetch(c Command, response []byte, status Status) ([]byte, error) {
	for {
		next := Command{CLA: c.CLA &^ chained, INS: 0xC0, Ne: status.length(), Secret: c.Secret || confidential(c.INS)}
		part, err := t.apdu(next, t.short())
		response = append(response, part...)
		if len(response) > MaxResponse {
			t.tx.breakOff()
			return nil, malformed("response is longer than %d bytes", MaxResponse)
		}
		switch {
		case !errors.As(err, &status):
			return response, err
		case !status.more():
			return response, fault.Partial(err)
		}
		if len(part) == 0 {
			t.tx.breakOff()
			return nil, malformed("card announces more data and sends none")
		}
	}
}

// apdu sends one APDU, and once more if the card corrects Le. A command without Le,
// such as one with a PIN, is never repeated.
func (t *trip) apdu(c Command, encode encoder) ([]byte, error) {
	bound := t.tx.card.service.options.MaxResponse
	if bound > 0 {
		c.Ne = min(c.Ne, bound)
	}
	response, status, err := t.transmit(c, encode)
	if err == nil && status.corrects() && c.Ne > 0 && (bound == 0 || status.length() <= bound) {
		c.Ne = status.length()
		response, status, err = t.transmit(c, encode)
	}
	switch {
	case err != nil:
		return nil, err
	case status != StatusOK:
		return response, fault.Mark(fault.Object, status)
	}
	return response, nil
}

// transmit sends one APDU to the card, or to the keypad of the reader. No other
// function does.
func (t *trip) transmit(c Command, encode encoder) ([]byte, Status, error) {
	tx := t.tx
	if t.count++; t.count > maxExchanges {
		tx.breakOff()
		return nil, 0, malformed("command takes more than %d exchanges", maxExchanges)
	}
	command := encode(c)
	if c.Touch {
		defer traceOf(tx.ctx).touchSoon(tx.card.reader)()
	}
	start := time.Now()
	var response []byte
	var err error
	if t.pad == 0 {
		response, err = tx.link.card.Transmit(command)
	} else if reader, ok := tx.link.card.(driver.Controller); ok {
		response, err = reader.Control(t.pad, command)
	} else {
		err = driver.UnsupportedFeature
	}
	if err == nil && len(response) < 2 {
		err = ErrNoResponse // pcsc-lite reports some removals so
	}
	clear(command)
	if err != nil {
		err = tx.lose(err)
		tx.report(c, nil, err, time.Since(start))
		return nil, 0, err
	}
	end := len(response) - 2
	status := Status(response[end])<<8 | Status(response[end+1])
	tx.report(c, response, nil, time.Since(start))
	return response[:end:end], status, nil
}

// lose ends the transaction after a failure without a response: what was selected
// and verified may be lost. It returns what happened to the card, as far as the
// service knows.
func (tx *Tx) lose(err error) error {
	if !meaningOf(err).explained {
		if r, e := tx.card.service.state(tx.ctx, tx.card.reader); e == nil && (!r.Present || r.Events != tx.card.events) {
			err = driver.RemovedCard
		}
	}
	tx.lost = tx.explain(named(err))
	return tx.lost
}

// breakOff ends the transaction, and resets the card, after a violation of the
// protocol.
func (tx *Tx) breakOff() {
	tx.lost, tx.reset = ErrReset, true
}
