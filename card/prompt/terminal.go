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
// The PIN is not echoed. The question names the credential, its card and reader if
// there are several readers, what the PIN is for, the retries left, and why the previous PIN
// was not accepted. It is written to standard error. An empty line, Ctrl-C and Ctrl-D give up.
//
// Before the last try the user must type "yes". A new PIN must be entered twice.
// If the reader has a keypad, the user is told to enter the PIN there.
//
// If in is not a terminal, the PINFunc returns [ErrNoTerminal] at once.
func Terminal(in *os.File) card.PINFunc {
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		return terminal{in, os.Stderr}.ask(ctx, r)
	}
}

// TTY returns a PINFunc that asks as [Terminal] does, at the terminal from which the
// program was started, even if its input, output and errors go elsewhere. If there
// is none, the PINFunc returns [ErrNoTerminal] at once.
func TTY() card.PINFunc {
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		in, out, err := openTTY()
		if err != nil {
			return card.PIN{}, fmt.Errorf("%w: %w", ErrNoTerminal, err)
		}
		defer in.Close()
		defer out.Close()
		return terminal{in, out}.ask(ctx, r)
	}
}

// A terminal is where the user is asked: keys come from in, questions go to out.
type terminal struct {
	in  *os.File
	out io.Writer
}

func (t terminal) ask(ctx context.Context, r card.PINRequest) (card.PIN, error) {
	if !term.IsTerminal(int(t.in.Fd())) {
		return card.PIN{}, ErrNoTerminal
	}
	pin, err := t.readPIN(ctx, r)
	if err != nil || !r.Last {
		return pin, err
	}
	word, err := t.readLine(ctx, lastTry+" Type yes to go on: ", true)
	if err == nil && string(word) != "yes" {
		err = ErrGivenUp
	}
	if err != nil {
		pin.Destroy()
		return card.PIN{}, err
	}
	return pin.AllowLastTry(), nil
}

// readPIN asks for one PIN, for a new one until it is entered twice alike.
func (t terminal) readPIN(ctx context.Context, r card.PINRequest) (card.PIN, error) {
	text := question(ctx, r)
	if r.Pad {
		io.WriteString(t.out, text+"\n")
		return card.PIN{}, nil
	}
	for {
		digits, err := t.readLine(ctx, text, false)
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
		again, err := t.readLine(ctx, "New PIN again: ", false)
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
