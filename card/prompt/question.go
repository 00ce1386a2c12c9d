package prompt

import (
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// lastTry warns of the last try.
const lastTry = "This may be the last try: a wrong PIN blocks the card."

// question returns what the user is asked at a terminal.
func question(r card.PINRequest) string {
	text := refusal(r)
	if text != "" {
		text += "\n"
	}
	if r.New {
		return text + newPINQuestion(r)
	}
	text += where(r) + "\n"
	if r.Pad {
		return text + padQuestion(r)
	}
	return text + fmt.Sprintf("PIN to %s (%s): ", printable(r.Purpose), retries(r))
}

// refusal returns why the previous PIN was not accepted, and what to do; empty at
// first.
func refusal(r card.PINRequest) string {
	if r.Refused == nil {
		return ""
	}
	return printable(fmt.Sprintf("%v. %s", r.Refused, card.Hint(r.Refused)))
}

func retries(r card.PINRequest) string {
	if r.Retries < 0 {
		return "retries left: unknown"
	}
	return fmt.Sprintf("retries left: %d", r.Retries)
}

func padQuestion(r card.PINRequest) string {
	return fmt.Sprintf("Enter the PIN to %s on the keypad of the reader (%s).", printable(r.Purpose), retries(r))
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
	return fmt.Sprintf("New PIN (%s): ", length(r.Format))
}

func length(f card.PINFormat) string {
	unit := "characters"
	if f.Digits {
		unit = "digits"
	}
	return fmt.Sprintf("%d to %d %s", f.Min, f.Max, unit)
}
