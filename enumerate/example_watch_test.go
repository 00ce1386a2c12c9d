package enumerate_test

import (
	"context"
	"fmt"
	"log"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
)

func ExampleFinder_Watch() {
	readers := cardtest.NewReaders(cardtest.Logon("alice@example.com"))
	defer readers.Close()
	find := enumerate.Finder{Service: readers.Service()}
	defer find.Service.Close()

	for event, err := range find.Watch(context.Background()) {
		if err != nil {
			log.Print(err) // of one card or of the service; Watch goes on
			continue
		}
		title := event.Credential.Title()
		if event.Gone {
			fmt.Println("removed:", title)
			break
		}
		fmt.Println("inserted:", title, event.Credential.Findings.Offered())
		readers.Remove(event.Credential.Reader)
	}
	// Output:
	// inserted: alice@example.com true
	// removed: alice@example.com
}
