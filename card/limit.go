package card

import (
	"errors"

	"github.com/smartlogon/smartlogon/card/driver"
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

func (tx *Tx) limit() limit {
	s := tx.card.service
	switch {
	case tx.link.card.Protocol() == driver.T0:
		return shortOnly // extended length takes an ENVELOPE there
	case s.options.MaxCommand > 0, s.options.MaxResponse > 0:
		return shortOnly
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.limits[tx.limitKey()]; ok {
		return l
	}
	if yes, known := tx.card.atr.extended(); known && !yes {
		return shortOnly
	}
	return untried
}

func (tx *Tx) setLimit(l limit) {
	s := tx.card.service
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits[tx.limitKey()] = l
}

// extended reports whether a command is sent in one APDU with extended length. Only a
// command that reads tries it: after the loss of one that signs, the PIN would have to
// be verified again.
func (l limit) extended(c Command) bool {
	switch {
	case c.Part > 0:
		return false
	case len(c.Data) > maxShortData:
		return l == long
	case c.Ne > 256:
		return l != shortOnly
	}
	return false
}

// learn sets the limit after a command with extended length that ended with err. It
// reports whether to send the command again with short lengths.
func (tx *Tx) learn(c Command, before limit, err error) (again bool) {
	var status Status
	switch responded := err == nil || errors.As(err, &status); {
	case before == untried && !responded:
		// Some readers fail if the APDU is too long for them, and the
		// transaction is lost.
		if again = meaningOf(err).tooLong; again {
			tx.setLimit(shortOnly)
			tx.breakOff()
		}
	case len(c.Data) > maxShortData:
		// Only a status that has no other meaning: a command that signs is
		// not to be sent twice without need.
		again = status == StatusWrongLength
		if again {
			tx.setLimit(longReads)
		}
	case status.wrongForm():
		again = true
		tx.setLimit(shortOnly)
	case before == untried:
		tx.setLimit(long)
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
