package prompt

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// lastTry warns of the last try.
const lastTry = "This may be the last try: a wrong PIN blocks the card."

// question returns what the user is asked at a terminal.
func question(ctx context.Context, r card.PINRequest) string {
	text := refusal(r)
	if text != "" {
		text += "\n"
	}
	if r.New {
		return text + newPINQuestion(r)
	}
	text += where(ctx, r)
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

// where returns a line that says whose PIN it is: the credential, and the card and the
// reader if there are several readers. Without a credential it is the card, if that is
// known.
func where(ctx context.Context, r card.PINRequest) string {
	several := r.SeveralReaders(ctx)
	text := printable(r.Title)
	if text == "" || several {
		if text != "" {
			text += ", "
		}
		text += "card"
		if !r.Card.IsZero() {
			text += " " + printable(r.Card.Label)
		}
	}
	switch {
	case several:
		text += fmt.Sprintf(" in %q", r.Reader)
	case text == "card":
		return ""
	}
	return text + "\n"
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
