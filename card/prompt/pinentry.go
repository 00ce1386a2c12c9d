package prompt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// Pinentry returns a PINFunc that asks with a program of the GnuPG family: a dialog
// of the desktop, or a form in the terminal. The program is a name in PATH or a
// path; empty is "pinentry". Each question starts it anew. It gets the terminal
// whose name is in the environment variable GPG_TTY, else the controlling terminal,
// and ends when ctx does.
//
// The dialogs say what [Terminal] says. The user confirms the last try with a button,
// and enters a new PIN twice. To cancel gives up: [ErrGivenUp].
func Pinentry(program string) card.PINFunc {
	if program == "" {
		program = "pinentry"
	}
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		a, err := startAssuan(ctx, program)
		var pin card.PIN
		if err == nil {
			pin, err = askPinentry(ctx, a, r)
			a.close()
		}
		if err != nil && ctx.Err() != nil { // the end of ctx ended the program
			err = ctx.Err()
		}
		return pin, err
	}
}

// askPinentry asks for one PIN and, where it is due, for the consent to the last try.
func askPinentry(ctx context.Context, a *assuan, r card.PINRequest) (pin card.PIN, err error) {
	for _, command := range options() {
		if err := a.set("OPTION", command); err != nil {
			return card.PIN{}, err
		}
	}
	switch {
	case r.Pad:
		err = a.confirm(description(ctx, r), "--one-button")
	case r.New:
		pin, err = readNewPIN(ctx, a, r)
	default:
		pin, err = readPIN(ctx, a, r, "PIN:")
	}
	if err == nil && r.Last {
		if err = a.confirm(lastTry + "\nUse it?"); err == nil {
			return pin.AllowLastTry(), nil
		}
	}
	if err != nil {
		pin.Destroy()
		return card.PIN{}, err
	}
	return pin, nil
}

// description returns what the dialog says above its input.
func description(ctx context.Context, r card.PINRequest) string {
	switch {
	case r.New && r.Pad:
		return newPINQuestion(r)
	case r.New:
		return where(ctx, r) + "Choose a new PIN (" + length(r.Format) + ")."
	case r.Pad:
		return where(ctx, r) + padQuestion(r)
	}
	return fmt.Sprintf("%sEnter the PIN to %s (%s).", where(ctx, r), printable(r.Purpose), retries(r))
}

func readPIN(ctx context.Context, a *assuan, r card.PINRequest, label string) (card.PIN, error) {
	digits, _, err := a.getPIN(ctx, r, label)
	if err != nil {
		return card.PIN{}, err
	}
	return card.NewPIN(digits), nil
}

// readNewPIN asks for a PIN twice. Programs that know SETREPEAT do so in one dialog.
func readNewPIN(ctx context.Context, a *assuan, r card.PINRequest) (card.PIN, error) {
	for {
		if err := a.set("SETREPEAT", "New PIN again:"); err != nil {
			return card.PIN{}, err
		}
		first, repeated, err := a.getPIN(ctx, r, "New PIN:")
		if err != nil {
			return card.PIN{}, err
		}
		pin := card.NewPIN(first)
		if repeated {
			return pin, nil
		}
		second, _, err := a.getPIN(ctx, r, "New PIN again:")
		same := bytes.Equal(first, second)
		clear(second)
		if err == nil && same {
			return pin, nil
		}
		pin.Destroy()
		if err != nil {
			return card.PIN{}, err
		}
	}
}
