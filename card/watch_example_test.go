package card_test

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
)

// Waits for a card in any reader. Cards that are present are yielded first.
func ExampleService_Watch() {
	readers := cardtest.NewReaders(nil, cardtest.Logon("alice@example.com"))
	defer readers.Close()
	service := readers.Service()
	defer service.Close()

	for e, err := range service.Watch(context.Background()) {
		if err != nil {
			fmt.Println(err, card.Hint(err)) // Watch goes on
			continue
		}
		fmt.Println(e.Kind, "-", e.Reader)
		if e.Kind == card.CardInserted {
			fmt.Println("ATR", e.Card.ATR())
			break
		}
	}
	// Output:
	// reader added - Software Reader 00
	// reader added - Software Reader 01
	// card inserted - Software Reader 01
	// ATR 3B85018073C021C056
}
