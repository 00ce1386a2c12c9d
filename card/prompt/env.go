package prompt

import (
	"context"
	"fmt"
	"os"

	"github.com/smartlogon/smartlogon/card"
)

// Env takes the PIN from an environment variable, which it asks for only when a
// PIN is needed. As with [card.FixedPIN], at most one wrong try is ever spent on
// it, and never the last.
func Env(name string) card.PINFunc {
	ask := card.PINFunc(nil)
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		if ask == nil {
			pin, ok := os.LookupEnv(name)
			if !ok || pin == "" {
				return card.PIN{}, fmt.Errorf("prompt: variable %s holds no PIN", name)
			}
			ask = card.FixedPIN(pin)
		}
		return ask(ctx, r)
	}
}
