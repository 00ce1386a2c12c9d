package prompt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"golang.org/x/term"
)

// ErrNoTerminal says that there is nobody to type a PIN.
var ErrNoTerminal = errors.New("prompt: not a terminal; name a variable that holds the PIN instead")

// Terminal asks the person at a terminal, most often os.Stdin, without showing
// what is typed. It says how many tries are left and why the last answer was not
// taken, and asks for consent, by the word "yes", before the last try. A new PIN
// has to be typed twice. Where the reader has keys of its own, it says that the
// PIN is to be typed there. An empty line gives up. The questions go to standard
// error.
//
// If in is no terminal it returns [ErrNoTerminal] without waiting.
func Terminal(in *os.File) card.PINFunc {
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		if !term.IsTerminal(int(in.Fd())) {
			return card.PIN{}, ErrNoTerminal
		}
		pin, err := ask(ctx, in, r)
		if err != nil || !r.Last {
			return pin, err
		}
		word, err := readLine(ctx, in, "This may be the last try: a wrong PIN blocks the card. Use it? Type yes: ", true)
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

// ask gets one PIN, a new one by asking until it was typed twice alike.
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
		again, err := readLine(ctx, in, "The same again: ", false)
		same := bytes.Equal(digits, again)
		clear(again)
		if err == nil && same {
			return pin, nil
		}
		pin.Destroy()
		if err != nil {
			return card.PIN{}, err
		}
		text = "They differ. " + text
	}
}

// ErrGivenUp says that the person does not want to enter a PIN.
var ErrGivenUp = errors.New("prompt: no PIN entered")

func question(r card.PINRequest) string {
	text := ""
	if r.Refused != nil {
		text = fmt.Sprintf("%v. %s\n", r.Refused, card.Hint(r.Refused))
	}
	if r.New {
		return text + newPIN(r)
	}
	tries := fmt.Sprintf("tries left: %d", r.Retries)
	if r.Retries < 0 {
		tries = "the card does not say how many tries are left"
	}
	text += fmt.Sprintf("%s in %q\n", r.Card, r.Reader)
	if r.Pad {
		return text + fmt.Sprintf("Type the PIN to %s on the reader (%s).", r.Purpose, tries)
	}
	return text + fmt.Sprintf("PIN to %s (%s): ", r.Purpose, tries)
}

func newPIN(r card.PINRequest) string {
	if r.Pad {
		return "Then type the new PIN there, twice."
	}
	what := "characters"
	if r.Format.Digits {
		what = "digits"
	}
	return fmt.Sprintf("New PIN (%d to %d %s): ", r.Format.Min, r.Format.Max, what)
}
