package card

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// MaxResponse is the Ne of a command whose answer may have any length.
const MaxResponse = 65536

// A Command is one command to an application on the card (ISO/IEC 7816-4, 5.1),
// however many exchanges it takes.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte

	// Ne is how many bytes of answer are expected at most, 0 for none. What
	// the card answers beyond it is returned all the same.
	Ne int

	// Part bounds the data of one APDU: longer data is chained. 0 stands for
	// what card and reader take. Some applications want less than the card.
	Part int

	// Secret keeps Data and the answer out of logs and traces. Commands that
	// ISO/IEC 7816-4 or NIST SP 800-73-4 define to carry a PIN or key
	// material are kept out anyway.
	Secret bool

	// Touch says that the card may wait for a person to touch it, which
	// [Trace] tells of if no answer comes soon.
	Touch bool
}

// Command sends c and returns the answer without its status word. It chains
// commands and answers, or uses extended length where card and reader are known
// to take it, and repeats a command whose length the card corrects.
//
// A status other than 9000 is an error that wraps the [Status]; the answer that
// came with it is returned too.
func (tx *Tx) Command(c Command) ([]byte, error) {
	answer, err := tx.command(c)
	return answer, wrap(tx.card.reader, insName(c.INS), err)
}

// Select makes an application current, by its identifier or the beginning of
// one, and returns what the application says of itself. Where the card has no
// such application the error wraps [StatusNotFound].
func (tx *Tx) Select(aid []byte) ([]byte, error) {
	answer, err := tx.command(Command{INS: 0xA4, P1: 0x04, Data: aid, Ne: 256})
	if err == StatusNotSupported || err == StatusWrongParameters { // of selection by name, say old cards
		err = fmt.Errorf("%w: %w", StatusNotFound, err)
	}
	return answer, wrap(tx.card.reader, insName(0xA4), err)
}

func (tx *Tx) command(c Command) ([]byte, error) {
	return tx.exchange(&exchange{tx: tx, command: c})
}

func (tx *Tx) exchange(x *exchange) ([]byte, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	if tx.ctx.Done() == nil { // a logout
		return x.run()
	}
	// No PC/SC call that talks to a card can be cancelled. Where the context
	// ends first, the exchange is left behind to finish, with answer chains
	// drained, and the section ends after it. The caller may do with its data
	// what it likes by then.
	x.command.Data = bytes.Clone(x.command.Data)
	var answer []byte
	var err error
	done := make(chan struct{})
	go func() {
		answer, err = x.run()
		if x.command.Secret {
			clear(x.command.Data)
		}
		close(done)
	}()
	select {
	case <-done:
		return answer, err
	case <-tx.ctx.Done():
		tx.pending = done
		return nil, ended(tx.ctx)
	}
}

// usable is nil while commands can be sent, else why not.
func (tx *Tx) usable() error {
	switch {
	case tx.over:
		return ErrOver
	case tx.pending != nil: // and uses the other fields
		return ended(tx.ctx)
	case tx.lost != nil:
		return tx.lost
	case tx.ctx.Err() != nil:
		return ended(tx.ctx)
	}
	return nil
}

// An exchange is one command on its way: one or more APDUs and their answers.
type exchange struct {
	tx      *Tx
	command Command
	count   int // APDUs sent

	// heard, if any, is told how it ended, even if the section was left.
	heard func(error)

	pad   uint32 // the reader is to do it, by this control code
	order []byte // and this structure
}

// maxExchanges bounds the APDUs that one command may take: 64 KiB both ways in
// pieces of 255 bytes, and room for corrections of length.
const maxExchanges = 600

// run sends the command by the means that fit the card, and learns about it.
func (x *exchange) run() (answer []byte, err error) {
	if x.heard != nil {
		defer func() {
			if err == nil && len(answer) > 0 { // a PIN is answered by a status alone
				err = malformed("%d bytes of data in answer to a PIN", len(answer))
			}
			x.heard(err)
		}()
	}
	c, tx := x.command, x.tx
	if x.pad != 0 {
		return x.apdu(c, func(Command) []byte { return x.order })
	}
	if len(c.Data) > maxData {
		return nil, fmt.Errorf("%d bytes of data are more than a command can carry", len(c.Data))
	}
	limit := tx.limit()
	if limit.extended(c) {
		answer, err := x.send(c, true)
		if !tx.learn(c, limit, err) {
			return answer, err
		}
		if tx.lost != nil {
			return nil, tx.lost
		}
		first := err
		answer, err = x.send(c, false)
		tx.unlearn(limit, first, err)
		return answer, err
	}
	return x.send(c, false)
}

// send sends the command once, extended or chained, and fetches the answer.
func (x *exchange) send(c Command, extended bool) ([]byte, error) {
	var answer []byte
	var err error
	if extended {
		answer, err = x.apdu(c, extendedAPDU)
	} else {
		rest, most := c.Data, maxShortData
		if c.Part > 0 {
			most = min(most, c.Part)
		}
		for len(rest) > most {
			part := Command{CLA: c.CLA | chained, INS: c.INS, P1: c.P1, P2: c.P2, Data: rest[:most], Secret: c.Secret}
			if answer, err = x.apdu(part, x.short()); err != nil {
				return answer, err
			}
			rest = rest[most:]
		}
		c.Data = rest
		answer, err = x.apdu(c, x.short())
	}
	var status Status
	if errors.As(err, &status) && status.more() {
		return x.fetch(c, answer, status)
	}
	return answer, err
}

// fetch gets the rest of an answer, of which the card said with 61xx that there
// is more (ISO/IEC 7816-4, 5.3.4). It fetches all of it: an answer that is left
// behind confuses some cards.
func (x *exchange) fetch(c Command, answer []byte, status Status) ([]byte, error) {
	for {
		next := Command{CLA: c.CLA &^ chained, INS: 0xC0, Ne: status.length(), Secret: c.Secret || confidential(c.INS)}
		part, err := x.apdu(next, x.short())
		answer = append(answer, part...)
		if len(answer) > MaxResponse {
			x.tx.breakOff()
			return nil, malformed("answer is longer than %d bytes", MaxResponse)
		}
		if !errors.As(err, &status) || !status.more() {
			return answer, err
		}
		if len(part) == 0 {
			x.tx.breakOff()
			return nil, malformed("card says that there is more and gives nothing")
		}
	}
}

// apdu sends one APDU, and once more where the card says which length is right.
// Where no answer was expected none can be wrong: a PIN is not sent twice.
func (x *exchange) apdu(c Command, encode encoder) ([]byte, error) {
	answer, status, err := x.transmit(c, encode)
	if err == nil && status.corrects() && c.Ne > 0 {
		c.Ne = status.length()
		answer, status, err = x.transmit(c, encode)
	}
	switch {
	case err != nil:
		return nil, err
	case status != StatusOK:
		return answer, status
	}
	return answer, nil
}

// transmit is the one place where bytes go to the card.
func (x *exchange) transmit(c Command, encode encoder) ([]byte, Status, error) {
	tx := x.tx
	if x.count++; x.count > maxExchanges {
		tx.breakOff()
		return nil, 0, malformed("command takes more than %d exchanges", maxExchanges)
	}
	out := encode(c)
	if c.Touch {
		defer traceOf(tx.ctx).touchSoon(tx.card.reader)()
	}
	start := time.Now()
	in, err := x.give(out)
	if err == nil && len(in) < 2 {
		err = ErrNoResponse // what pcsc-lite makes of a card that was pulled out
	}
	clear(out)
	if err != nil {
		err = tx.lose(err)
		tx.report(c, nil, err, time.Since(start))
		return nil, 0, err
	}
	end := len(in) - 2
	status := Status(in[end])<<8 | Status(in[end+1])
	tx.report(c, in, nil, time.Since(start))
	return in[:end:end], status, nil
}

// lose ends the section after a failure below the card's own answers: whatever
// was selected and verified may be gone. It says what really happened, as far
// as the service knows.
func (tx *Tx) lose(err error) error {
	if errors.Is(err, ErrNoResponse) || !gone(err) {
		if r, e := tx.card.service.state(tx.ctx, tx.card.reader); e == nil && (!r.Present || r.Events != tx.card.events) {
			err = driver.RemovedCard
		}
	}
	tx.lost = known(err)
	return tx.lost
}

// gone reports whether an error already says what happened to the card.
func gone(err error) bool {
	return errors.Is(err, driver.RemovedCard) || errors.Is(err, driver.ResetCard)
}

// breakOff ends a section whose card does not keep to the protocol.
func (tx *Tx) breakOff() {
	tx.lost, tx.reset = ErrReset, true
}
