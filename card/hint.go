package card

import (
	"cmp"
	"context"
	"errors"

	"github.com/smartlogon/smartlogon/card/driver"
)

// hints lists the remedy for each error. The first that matches is used: an error
// may wrap several.
var hints = []struct {
	err  error
	hint string
}{
	{ErrPINBlocked, "Unblock the PIN with the PUK, or ask the issuer of the card."},
	{ErrFewerRetries, "Enter the PIN again; another program has used up retries meanwhile."},
	{ErrLastTry, "Check the PIN, then allow the last try; a wrong PIN blocks the card."},
	{ErrRefusedBefore, "Enter another PIN: the card refused this one. If the PIN was changed since, start the program again."},
	{ErrWrongPIN, "Enter the PIN again, and watch how many retries are left."},
	{ErrPINFormat, "Enter the PIN in the format of the card; most take 6 to 8 digits."},
	{ErrNewPIN, "Choose another new PIN: the card wants a certain length, mostly digits, and may refuse what is easy to guess."},
	{ErrPINRequired, "Give the program a way to ask for the PIN."},
	{driver.NoAccess, "Ask for the right to use smart cards: on Linux, polkit rules of pcscd decide."},
	{driver.SecurityViolation, "Ask for the right to use smart cards: a policy of this machine denies it."},
	{driver.ProtoMismatch, "Use another reader: this one and the card have no protocol in common."},
	{driver.Timeout, "Restart the smart card service: it does not respond."},
	{ErrNoService, "Start the smart card service: on Linux pcscd (package pcscd), on Windows \"Smart Card\" (SCardSvr), which runs while a reader is connected."},
	{ErrNoReader, "Connect a smart card reader, or check its name and driver."},
	{ErrNoCard, "Insert a card."},
	{ErrMute, "Insert the card again the right way round; if that does not help, clean its contacts or try another reader."},
	{ErrBusy, "Close the program that holds the card; often gpg's scdaemon, an SSH agent or a browser."},
	{ErrChanged, "List the cards again: the one that was listed is not the one in the reader."},
	{ErrRemoved, "Insert the card again and leave it in the reader."},
	{ErrReset, "Try again: another program or the reader reset the card."},
	{ErrNoResponse, "Check that the card sits firmly in the reader, and try again."},
	{ErrMalformed, "Report the card with a trace of the commands: it does not keep to its standard."},
	{StatusNotPermitted, "Touch the card if it waits for that; otherwise the PIN or another key is missing."},
	{StatusNotFound, "Try another card or slot: this one does not hold what was asked for."},
	{ErrClosed, "Start the program again: it closed the smart card service while it was in use."},
	{context.DeadlineExceeded, "Try again, and let the program wait longer."},
}

// Hint returns one sentence that tells the user what to do about an error of this
// module. It is empty if there is nothing to do.
func Hint(err error) string {
	// An error's own Hint wins over those of the errors it wraps.
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		return hinter.Hint()
	}
	var e *PINError
	if errors.As(err, &e) {
		switch {
		case e.Name != "" && e.Err == ErrPINBlocked:
			return "Ask the issuer of the card: its " + e.Name + " is blocked."
		case e.Name != "" && e.Err == ErrWrongPIN:
			return "Enter the " + e.Name + " again, and watch how many retries are left."
		case e.Err == ErrLastTry && e.Retries < 0:
			return "Check the " + cmp.Or(e.Name, "PIN") + ", then allow a try although the card does not report how many are left."
		}
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}
