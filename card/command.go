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

// A Command is one command to an application on the card (ISO/IEC 7816-4, 5.1),
// however many exchanges it takes.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte

	// Ne is the most bytes of response data expected, 0 for none. What the
	// card returns beyond it is returned, too.
	Ne int

	// Part bounds the data of one APDU: longer data is chained. 0 means what
	// card and reader take. Some applications take less than the card does.
	Part int

	// Secret keeps Data and the response out of logs and traces. Commands that
	// ISO/IEC 7816-4 or NIST SP 800-73-4 define to carry a PIN or key
	// material are kept out anyway.
	Secret bool

	// Touch says that the card may wait for the user to touch it, which
	// [Trace] reports if no response comes soon.
	Touch bool
}

// Command sends c and returns the response without its status word. It chains
// commands and responses, or uses extended length where card and reader are known
// to support it, and repeats a command whose length the card corrects.
//
// A status other than 9000 is an error that wraps the [Status]; data that came with
// it is returned, too.
func (tx *Tx) Command(c Command) ([]byte, error) {
	response, err := tx.run(&trip{command: c})
	return response, wrap(tx.card.reader, insName(c.INS), err)
}

// Select makes an application current, by its identifier or the beginning of one,
// and returns its response. If the card has no such application the error wraps
// [StatusNotFound].
func (tx *Tx) Select(aid []byte) ([]byte, error) {
	response, err := tx.run(&trip{command: Command{INS: 0xA4, P1: 0x04, Data: aid, Ne: 256}})
	if errors.Is(err, StatusNotSupported) || errors.Is(err, StatusWrongParameters) { // old cards, of selection by name
		err = fmt.Errorf("%w: %w", StatusNotFound, err)
	}
	return response, wrap(tx.card.reader, insName(0xA4), err)
}

// A trip is one command on its way: one or more APDUs and their responses.
type trip struct {
	tx      *Tx
	command Command
	count   int // APDUs sent

	// What follows is only for a command that carries a PIN.
	pin           refusal     // the PIN in it, to remember it by
	set           refusal     // the PIN that it sets
	changes       bool        // it sets a PIN
	secretIsRight bool        // the card has accepted what allows the change
	done          func(error) // is called with how it ended, even if the transaction was left

	pad   uint32 // the control code by which the user enters the PIN on the reader
	order []byte // the structure for that
}

// run sends a command. No PC/SC call that talks to a card can be canceled: if the
// context ends first, the trip is left behind to finish, with chains drained, and
// the transaction ends after it. The caller may then reuse its data.
func (tx *Tx) run(t *trip) ([]byte, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	t.tx = tx
	if tx.ctx.Done() == nil { // a logout
		return t.complete()
	}
	t.command.Data = bytes.Clone(t.command.Data)
	var response []byte
	var err error
	done := make(chan struct{})
	go func() {
		response, err = t.complete()
		if t.command.Secret {
			clear(t.command.Data)
		}
		close(done)
	}()
	select {
	case <-done:
		return response, err
	case <-tx.ctx.Done():
		tx.pending = done
		return nil, contextError(tx.ctx)
	}
}

// usable returns why no command can be sent, nil while one can.
func (tx *Tx) usable() error {
	switch {
	case tx.over:
		return ErrOver
	case tx.pending != nil: // the command left behind uses the other fields
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

// complete sends the command in the form that the card takes, and learns from the
// outcome.
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
	limit := tx.limit()
	if !limit.extended(c) {
		return t.send(c, false)
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

// send sends the command once, extended or chained, and fetches the response.
func (t *trip) send(c Command, extended bool) ([]byte, error) {
	var response []byte
	var err error
	if extended {
		response, err = t.apdu(c, extendedAPDU)
	} else {
		rest, most := c.Data, maxShortData
		if c.Part > 0 {
			most = min(most, c.Part)
		}
		for len(rest) > most {
			part := Command{CLA: c.CLA | chained, INS: c.INS, P1: c.P1, P2: c.P2, Data: rest[:most], Secret: c.Secret}
			if response, err = t.apdu(part, t.short()); err != nil {
				return response, err
			}
			rest = rest[most:]
		}
		c.Data = rest
		response, err = t.apdu(c, t.short())
	}
	var status Status
	if errors.As(err, &status) && status.more() {
		return t.fetch(c, response, status)
	}
	return response, err
}

// fetch gets the rest of a response announced by 61xx (ISO/IEC 7816-4, 5.3.4). It
// always fetches all of it: a rest that is left behind confuses some cards.
func (t *trip) fetch(c Command, response []byte, status Status) ([]byte, error) {
	for {
		next := Command{CLA: c.CLA &^ chained, INS: 0xC0, Ne: status.length(), Secret: c.Secret || confidential(c.INS)}
		part, err := t.apdu(next, t.short())
		response = append(response, part...)
		if len(response) > MaxResponse {
			t.tx.breakOff()
			return nil, malformed("response is longer than %d bytes", MaxResponse)
		}
		if !errors.As(err, &status) || !status.more() {
			return response, err
		}
		if len(part) == 0 {
			t.tx.breakOff()
			return nil, malformed("card announces more data and sends none")
		}
	}
}

// apdu sends one APDU, and once more if the card corrects the length. Where no
// response was expected no length can be wrong: a PIN is not sent twice.
func (t *trip) apdu(c Command, encode encoder) ([]byte, error) {
	response, status, err := t.transmit(c, encode)
	if err == nil && status.corrects() && c.Ne > 0 {
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

// transmit is the one place where bytes go to the card, or to the keypad of the
// reader.
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
		err = ErrNoResponse // pcsc-lite reports a removal so
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

// lose ends the transaction after a failure below the responses of the card:
// whatever was selected and verified may be gone. It returns what happened to the
// card, as far as the service knows.
func (tx *Tx) lose(err error) error {
	if !meaningOf(err).explained {
		if r, e := tx.card.service.state(tx.ctx, tx.card.reader); e == nil && (!r.Present || r.Events != tx.card.events) {
			err = driver.RemovedCard
		}
	}
	tx.lost = tx.explain(named(err))
	return tx.lost
}

// breakOff ends the transaction of a card that breaks the protocol.
func (tx *Tx) breakOff() {
	tx.lost, tx.reset = ErrReset, true
}
