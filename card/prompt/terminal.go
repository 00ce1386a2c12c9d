package prompt

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/fault"
	"golang.org/x/term"
)

// ErrNoTerminal is returned if there is no terminal to ask at.
var ErrNoTerminal = fault.New(fault.Object, "prompt: not a terminal",
	"Run the program in a terminal, or let it read the PIN from an environment variable.")

// ErrGivenUp is returned if the user enters no PIN or does not agree to spend
// the last try.
var ErrGivenUp = fault.New(fault.Object, "prompt: no PIN entered", "Start again and enter the PIN.")

// Terminal returns a PINFunc that asks the user at a terminal, usually os.Stdin.
// The PIN is not echoed. The question names the card and its reader, the retries
// left and why the previous PIN was not accepted, and is written to standard
// error. An empty line, Ctrl-C and Ctrl-D give up.
//
// Before the last try the user must type "yes". A new PIN must be entered twice.
// If the reader has a keypad, the user is told to enter the PIN there.
//
// If in is not a terminal, the PINFunc returns [ErrNoTerminal] at once.
func Terminal(in *os.File) card.PINFunc {
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		if !term.IsTerminal(int(in.Fd())) {
			return card.PIN{}, ErrNoTerminal
		}
		pin, err := ask(ctx, in, r)
		if err != nil || !r.Last {
			return pin, err
		}
		word, err := readLine(ctx, in, "This may be the last try: a wrong PIN blocks the card. Type yes to go on: ", true)
		if err == nil && string(word) != "yes" {
			err = ErrGivenUp
		}
		if err != nil {
			pin.Destroy()
			return card.PIN{}, err
		}
		return pin.AllowLastTry(), nil
	}
}

// ask asks for one PIN, for a new one until it is entered twice alike.
func ask(ctx context.Context, in *os.File, r card.PINRequest) (card.PIN, error) {
	text := question(r)
	if r.Pad {
		io.WriteString(os.Stderr, text+"\n")
		return card.PIN{}, nil
	}
	for {
		digits, err := readLine(ctx, in, text, false)
		if err == nil && len(digits) == 0 {
			err = ErrGivenUp
		}
		if err != nil {
			return card.PIN{}, err
		}
		pin := card.NewPIN(digits)
		if !r.New {
			return pin, nil
		}
		again, err := readLine(ctx, in, "New PIN again: ", false)
		same := bytes.Equal(digits, again)
		clear(again)
		if err == nil && same {
			return pin, nil
		}
		pin.Destroy()
		if err != nil {
			return card.PIN{}, err
		}
		text = "The two PINs differ. " + text
	}
}

// question returns what the user is asked.
func question(r card.PINRequest) string {
	var text string
	if r.Refused != nil {
		text = printable(fmt.Sprintf("%v. %s", r.Refused, card.Hint(r.Refused))) + "\n"
	}
	if r.New {
		return text + newPINQuestion(r)
	}
	retries := fmt.Sprintf("retries left: %d", r.Retries)
	if r.Retries < 0 {
		retries = "retries left: unknown"
	}
	text += where(r) + "\n"
	if r.Pad {
		return text + fmt.Sprintf("Enter the PIN to %s on the keypad of the reader (%s).", printable(r.Purpose), retries)
	}
	return text + fmt.Sprintf("PIN to %s (%s): ", printable(r.Purpose), retries)
}

// where returns whose PIN it is: the credential and the card, as far as they are
// known, and the reader.
func where(r card.PINRequest) string {
	text := fmt.Sprintf("card in %q", r.Reader)
	if !r.Card.IsZero() {
		text = fmt.Sprintf("card %s in %q", printable(r.Card.Label), r.Reader)
	}
	if r.Title != "" {
		text = printable(r.Title) + ", " + text
	}
	return text
}

func newPINQuestion(r card.PINRequest) string {
	if r.Pad {
		return "Then enter the new PIN there, twice."
	}
	unit := "characters"
	if r.Format.Digits {
		unit = "digits"
	}
	return fmt.Sprintf("New PIN (%d to %d %s): ", r.Format.Min, r.Format.Max, unit)
}
