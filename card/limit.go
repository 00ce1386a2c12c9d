package card

import (
	"errors"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A limitKey names what a limit was learnt of: cards that answer to reset alike,
// in one reader. Either of the two may be what cannot do more.
type limitKey struct{ reader, atr string }

// A limit is what is known about the length of commands and answers.
type limit int

const (
	untried   limit = iota // nothing is known: a read may try
	shortOnly              // length fields of one byte
	longReads              // extended length for answers; commands are chained
	long                   // extended length both ways
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

// extended reports whether a command goes in one APDU with extended length.
// Only a command that reads may find out whether card and reader can do it: to
// lose one that signs would cost the PIN that was verified for it.
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

// learn draws the lesson from a command that was sent with extended length and
// ended with err. It reports whether the command should be sent again without.
func (tx *Tx) learn(c Command, before limit, err error) (again bool) {
	var status Status
	switch answered := err == nil || errors.As(err, &status); {
	case before == untried && !answered:
		// Some readers fail on what they cannot carry, and the transaction is
		// lost.
		if again = meaningOf(err).tooLong; again {
			tx.setLimit(shortOnly)
			tx.breakOff()
		}
	case len(c.Data) > maxShortData:
		// Only what cannot mean anything else: a command that signs is not
		// sent twice for nothing.
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

// unlearn takes the lesson back where the command, sent again, met the same
// status: then the status was about something else.
func (tx *Tx) unlearn(before limit, first, second error) {
	var a, b Status
	if errors.As(first, &a) && errors.As(second, &b) && a == b {
		tx.setLimit(before)
	}
}
