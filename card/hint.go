package card

import (
	"context"
	"errors"

	"github.com/smartlogon/smartlogon/card/driver"
)

// hints has the remedy for each error, the most telling first: an error may be
// several of them.
var hints = []struct {
	err  error
	hint string
}{
	{ErrPINBlocked, "Unblock the PIN with the PUK, or ask whoever issued the card."},
	{ErrLastTry, "Check the PIN, then agree to the last try; a wrong PIN blocks the card."},
	{ErrRefusedBefore, "Enter another PIN: the card refused this one. If the PIN was changed meanwhile, start the program again."},
	{ErrWrongPIN, "Enter the PIN again; mind how many tries are left."},
	{ErrPINFormat, "Enter the PIN as the card takes it; most take 6 to 8 digits."},
	{ErrNewPIN, "Choose another new PIN: the card wants a certain length, mostly digits, and may refuse what is easy to guess."},
	{ErrPINRequired, "Give the program a way to ask for the PIN."},
	{driver.NoAccess, "Ask for the right to use smart cards: on Linux, polkit rules of pcscd decide."},
	{driver.SecurityViolation, "Ask for the right to use smart cards: a policy of this machine denies it."},
	{driver.ProtoMismatch, "Use another reader: this one and the card have no protocol in common."},
	{ErrNoService, "Start the smart card service: on Linux pcscd (package pcscd), on Windows \"Smart Card\" (SCardSvr), which runs while a reader is connected."},
	{ErrNoReader, "Connect a smart card reader, or check its name and driver."},
	{ErrNoCard, "Insert a card."},
	{ErrMute, "Take the card out and insert it again the right way round; if that does not help, clean its contacts or try another reader."},
	{ErrBusy, "Close the program that holds the card; often gpg's scdaemon, an SSH agent or a browser."},
	{ErrRemoved, "Insert the card again and leave it in."},
	{ErrChanged, "List the cards again: the one that was listed is not the one in the reader."},
	{ErrReset, "Try again: another program or the reader reset the card."},
	{ErrNoResponse, "Check that the card sits firmly in the reader, and try again."},
	{ErrMalformed, "The card does not keep to its standard; report it with a trace of the commands."},
	{StatusNotPermitted, "Touch the card if it waits for that; else the PIN, or another key, is missing."},
	{StatusNotFound, "The card does not hold what was asked for; another card or slot may."},
	{ErrClosed, "The program closed the service while it was in use."},
	{context.DeadlineExceeded, "Time ran out; try again, and let the program wait longer."},
}

// Hint says in a sentence what a person can do about an error of this module,
// or nothing where there is nothing to say.
func Hint(err error) string {
	// An error's own Hint wins over those of the errors it wraps.
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		return hinter.Hint()
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}
