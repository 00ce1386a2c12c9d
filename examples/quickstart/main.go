// Quickstart is the program of the README: it signs a person in with the first
// certificate that Windows would show. Signin is the same with all the rest.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/upn"
)

func main() {
	service := pcsc.System(nil)
	defer service.Close()
	name, answer, err := signIn(context.Background(), service, prompt.Terminal(os.Stdin))
	if err != nil {
		log.Fatalln(err, card.Hint(err))
	}
	fmt.Println("Windows would send", name, "- the answer to the server has", len(answer), "bytes")
}

func signIn(ctx context.Context, service *card.Service, ask card.PINFunc) (name string, answer []byte, err error) {
	find := enumerate.Finder{Service: service}
	tiles, err := find.Offered(ctx)
	if len(tiles) == 0 {
		return "", nil, err
	}
	who, err := upn.SignIn{}.Name(tiles[0].Names) // the name that Windows would send
	if err != nil {
		return "", nil, err
	}
	key, err := tiles[0].Unlock(ctx, ask) // a crypto.Signer
	if err != nil {
		return "", nil, err
	}
	defer key.Close()
	sent := challenge.New("sign-in", "https://example.com") // the server's work
	answer, err = challenge.Respond(key, tiles[0].Raw, sent, "https://example.com")
	return who.Value, answer, err
}
