package card

import (
	"bytes"
	"errors"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/part10"
)

// A limitKey identifies a limit: the reader may impose it, or cards with that ATR.
type limitKey struct{ reader, atr string }

// A limit is what is known about the length of commands and responses.
type limit int

const (
	untried   limit = iota // not known: a command that reads tries extended length
	shortOnly              // length fields of one byte
	longReads              // extended length for responses; commands are chained
	long                   // extended length for commands and responses
)

func (tx *Tx) limitKey() limitKey {
	return limitKey{tx.card.reader, string(tx.card.atr)}
}

// limit returns what is known before a command is sent: what was learnt, else what
// reader and answer to reset state.
func (tx *Tx) limit() limit {
	s := tx.card.service
	switch {
	case tx.link.card.Protocol() == driver.T0:
		return shortOnly // extended length takes an ENVELOPE there
	case s.options.MaxCommand > 0, s.options.MaxResponse > 0:
		return shortOnly
	}
	s.mu.Lock()
	l, learned := s.limits[tx.limitKey()]
	s.mu.Unlock()
	if learned {
		return l
	}
	yes, known := tx.card.atr.extended()
	switch {
	case known && !yes:
		return shortOnly
	case tx.readerSize() == maxShortResponse:
		return shortOnly
	case yes && tx.readerSize() > maxShortResponse:
		return long
	}
	return untried
}

func (tx *Tx) setLimit(l limit) {
	s := tx.card.service
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits[tx.limitKey()] = l
}

// readerSize returns the maximum number of data bytes in one APDU that the reader
// reports (PC/SC part 10, dwMaxAPDUDataSize), 0 if it reports none. The reader is
// asked once.
func (tx *Tx) readerSize() int {
	s := tx.card.service
	s.mu.Lock()
	n, asked := s.sizes[tx.card.reader]
	s.mu.Unlock()
	if asked {
		return n
	}
	if c, ok := tx.link.card.(driver.Controller); ok {
		n, _ = part10.MaxDataSize(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes[tx.card.reader] = n
	return n
}

// extended reports whether a command is sent in one APDU with extended length. Only a
// command that reads tries it: after the loss of one that signs, the PIN would have to
// be verified again.
func (tx *Tx) extended(c Command, l limit) bool {
	switch {
	case c.Part > 0:
		return false
	case len(c.Data) > maxShortData:
		return l == long && len(c.Data) <= tx.readerSize()
	case c.Ne > maxShortResponse:
		return l != shortOnly
	}
	return false
}

// proven returns the limit after the first response to a command with extended
// length. A reader that passes a short command with an extended Le may refuse a longer
// one, and the card may have performed the command by then: commands longer than 255
// bytes are chained unless the reader reports that it takes them.
func (tx *Tx) proven() limit {
	if tx.readerSize() > maxShortResponse {
		return long
	}
	return longReads
}

// TryLong prepares for a command that uses a key, with n bytes of data: it must reach the
// card once, and readers differ in how long a command they carry. If such a command
// would be sent in one APDU, and the reader was never seen to carry one of that length,
// read is sent first. It has at least n bytes of data and must only read; its status
// does not matter. If the reader loses
// it, long commands are chained from then on, and the error wraps [ErrReset]: the
// transaction can be repeated.
func (tx *Tx) TryLong(n int, read Command) error {
	if err := tx.usable(); err != nil {
		return err
	}
	if n <= maxShortData || n > tx.readerSize() || tx.limit() != long || tx.passed() >= n {
		return nil
	}
	read.Data = bytes.Clone(read.Data)
	_, err := tx.run(&trip{command: read, tries: true})
	switch {
	case errors.As(err, new(Status)):
		return nil
	case err != nil && tx.pending == nil && tx.lost != nil:
		err = tx.lost
	}
	return wrap(tx.card.reader, insName(read.INS), err)
}

// passed returns the most bytes of data that the reader passed in a command of TryLong.
func (tx *Tx) passed() int {
	s := tx.card.service
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passes[tx.card.reader]
}

// noteTry notes how the command of TryLong, with n bytes of data, ended.
func (tx *Tx) noteTry(n int, err error) {
	if err != nil && !errors.As(err, new(Status)) {
		if meaningOf(err).tooLong {
			tx.setLimit(longReads)
			tx.breakOff()
		}
		return
	}
	s := tx.card.service
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passes[tx.card.reader] = max(n, s.passes[tx.card.reader])
}

// learn sets the limit after a command with extended length that ended with err. It
// reports whether to send the command again with short lengths.
func (tx *Tx) learn(c Command, before limit, err error) (again bool) {
	less := shortOnly
	if len(c.Data) > maxShortData {
		less = longReads
	}
	var status Status
	if err != nil && !errors.As(err, &status) {
		m := meaningOf(err)
		if !m.tooLong {
			return false
		}
		// Some readers fail if the APDU is too long for them, and mostly the
		// transaction is lost.
		tx.setLimit(less)
		switch {
		case m.unsent:
			tx.lost = nil
			return true
		case less == shortOnly:
			tx.breakOff()
			return true
		}
		return false // the card may have performed it
	}
	switch {
	case len(c.Data) > maxShortData, before != untried:
		// Only a status that has no other meaning: a command that signs is
		// not to be sent twice without need.
		again = status == StatusWrongLength
	case status.wrongForm():
		again = true
	case before == untried:
		tx.setLimit(tx.proven())
	}
	if again {
		tx.setLimit(less)
	}
	return again
}

// unlearn restores the limit if the command, sent again, had the same status: then the
// status was not about the length.
func (tx *Tx) unlearn(before limit, first, second error) {
	var a, b Status
	if errors.As(first, &a) && errors.As(second, &b) && a == b {
		tx.setLimit(before)
	}
}
