package enumerate_test

import (
	"context"
	"fmt"
	"log"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
)

// A list of tiles that follows the cards.
func ExampleFinder_Watch() {
	readers := cardtest.NewReaders(cardtest.Logon("alice@example.com"))
	defer readers.Close()
	find := enumerate.Finder{Service: readers.Service()}
	defer find.Service.Close()

	for change, err := range find.Watch(context.Background()) {
		if err != nil {
			log.Print(err) // about one card, or the service; the watch goes on
			continue
		}
		title := change.Credential.Title()
		if change.Gone {
			fmt.Println("gone:", title)
			break
		}
		fmt.Println("here:", title, change.Credential.Findings.Offered())
		readers.Remove(change.Credential.Reader)
	}
	// Output:
	// here: alice@example.com true
	// gone: alice@example.com
}
