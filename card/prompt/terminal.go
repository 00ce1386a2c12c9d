package prompt

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"golang.org/x/term"
)

// ErrNoTerminal says that there is nobody to type a PIN.
var ErrNoTerminal = errors.New("prompt: not a terminal; name a variable that holds the PIN instead")

// Terminal asks the person at a terminal, most often os.Stdin, without showing
// what is typed. It says how many tries are left and why the last answer was not
// taken, and asks for consent, by the word "yes", before the last try. An empty
// line gives up. The questions go to standard error.
//
// If in is no terminal it returns [ErrNoTerminal] without waiting.
func Terminal(in *os.File) card.PINFunc {
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		if !term.IsTerminal(int(in.Fd())) {
			return card.PIN{}, ErrNoTerminal
		}
		digits, err := readLine(ctx, in, question(r), false)
		if err == nil && len(digits) == 0 {
			err = ErrGivenUp
		}
		if err != nil {
			return card.PIN{}, err
		}
		pin := card.NewPIN(digits)
		if !r.Last {
			return pin, nil
		}
		word, err := readLine(ctx, in, "This may be the last try: a wrong PIN blocks the card. Use it? Type yes: ", true)
		if err == nil && string(word) != "yes" {
			err = ErrGivenUp
		}
		if err != nil {
			pin.Destroy()
			return card.PIN{}, err
		}
		return pin.EvenLastTry(), nil
	}
}

// ErrGivenUp says that the person does not want to enter a PIN.
var ErrGivenUp = errors.New("prompt: no PIN entered")

func question(r card.PINRequest) string {
	why := ""
	if r.Refused != nil {
		why = fmt.Sprintf("%v. %s\n", r.Refused, card.Hint(r.Refused))
	}
	tries := fmt.Sprintf("tries left: %d", r.Retries)
	if r.Retries < 0 {
		tries = "the card does not say how many tries are left"
	}
	return fmt.Sprintf("%s%s in %q\nPIN to %s (%s): ", why, r.Card, r.Reader, r.Purpose, tries)
}
