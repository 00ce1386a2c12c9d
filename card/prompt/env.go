package prompt

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/smartlogon/smartlogon/card"
)

// Env takes the PIN from an environment variable, which it asks for only when a
// PIN is needed. As with [card.FixedPIN], at most one wrong try is ever spent on
// it, and never the last.
func Env(name string) card.PINFunc {
	fixed := sync.OnceValues(func() (card.PINFunc, error) {
		pin := os.Getenv(name)
		if pin == "" {
			return nil, fmt.Errorf("prompt: variable %s holds no PIN", name)
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
