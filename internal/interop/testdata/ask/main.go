// Command ask unlocks a software card with the pinentry program of its argument and
// prints the result.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
)

func main() {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer service.Close()
	find := enumerate.Finder{Service: service}
	credentials, err := find.Offered(context.Background())
	if err != nil {
		fmt.Println("result:", err)
		return
	}
	_, err = credentials[0].Unlock(context.Background(), prompt.Pinentry(os.Args[1]))
	fmt.Println("result:", err)
}
