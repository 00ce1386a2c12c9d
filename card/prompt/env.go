package prompt

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// Env returns a PINFunc that reads the PIN from an environment variable, when a
// PIN is first needed and only then. A line end after the PIN is not part of it.
// As with [card.FixedPIN], at most one wrong try is spent, and never the last.
func Env(name string) card.PINFunc {
	fixed := sync.OnceValues(func() (card.PINFunc, error) {
		// A variable filled from a file often ends with the line end of the
		// file, which the card would count as a wrong PIN.
		pin := strings.TrimRight(os.Getenv(name), "\r\n")
		switch {
		case pin == "":
			return nil, fault.New(fault.Object, fmt.Sprintf("prompt: environment variable %s holds no PIN", name),
				fmt.Sprintf("Set the environment variable %s to the PIN of the card.", name))
		case hasControl([]byte(pin)):
			return nil, fmt.Errorf("%w: environment variable %s", ErrControlCharacter, name)
		}
		return card.FixedPIN(pin), nil
	})
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		ask, err := fixed()
		if err != nil {
			return card.PIN{}, err
		}
		return ask(ctx, r)
	}
}
