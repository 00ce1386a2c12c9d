// Package fault makes errors that carry more than their text: how far they reach,
// and what the user can do about them.
package fault

import "errors"

// A Reach is the largest thing that an error rules out for now. Greater values
// include the smaller ones.
type Reach int

const (
	Object      Reach = iota // one object, key or PIN: the card answered
	Application              // the card does not have the application
	Card                     // no further command of the transaction reaches the card
	Reader                   // the card or its reader is gone; the service reports that, too
	Service                  // the service is gone or closed
)

// ReachOf returns the reach of err. The outermost error that states one wins. An
// error without a reach counts as Card, so that callers stop in doubt.
func ReachOf(err error) Reach {
	var r interface{ Reach() Reach }
	if errors.As(err, &r) {
		return r.Reach()
	}
	return Card
}

// New returns an error with a hint: one sentence that tells the user what to do,
// for card.Hint. Each error is distinct, even with the same text.
func New(reach Reach, text, hint string) error { return &hinted{sentinel{text, reach}, hint} }

// Sentinel returns an error without a hint.
func Sentinel(reach Reach, text string) error { return &sentinel{text, reach} }

// Mark returns err with another reach. Its text and what it wraps stay.
func Mark(reach Reach, err error) error { return &marked{err, reach} }

// Partial marks err as a status that came after the first one: the card had accepted a
// part of the command, or returned a part of the response. Its text and what it wraps
// stay.
func Partial(err error) error { return &partial{err} }

// IsPartial reports whether err is marked by Partial.
func IsPartial(err error) bool { return errors.As(err, new(*partial)) }

type partial struct{ error }

func (e *partial) Unwrap() error { return e.error }

type sentinel struct {
	text  string
	reach Reach
}

func (e *sentinel) Error() string { return e.text }
func (e *sentinel) Reach() Reach  { return e.reach }

type hinted struct {
	sentinel
	hint string
}

func (e *hinted) Hint() string { return e.hint }

type marked struct {
	error
	reach Reach
}

func (e *marked) Reach() Reach  { return e.reach }
func (e *marked) Unwrap() error { return e.error }
