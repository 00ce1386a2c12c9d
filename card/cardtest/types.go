package cardtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/smartlogon/smartlogon/card"
)

// Types returns a PINFunc that returns the PINs one after the other, as a user types
// them, new PINs included. It fails if a PIN is asked for after the last one. It does
// not allow the last try, as [card.PIN.AllowLastTry] does.
func Types(pins ...string) card.PINFunc {
	var mu sync.Mutex
	next := 0
	return func(context.Context, card.PINRequest) (card.PIN, error) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(pins) {
			return card.PIN{}, fmt.Errorf("cardtest: PIN asked for after the %d typed", len(pins))
		}
		next++
		return card.NewPIN([]byte(pins[next-1])), nil
	}
}
