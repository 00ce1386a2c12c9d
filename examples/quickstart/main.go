// Quickstart is the program of the README: it signs in with the first credential
// that Windows would offer. Signin is the complete version.
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
		log.Fatalf("%v\n%s", err, card.Hint(err))
	}
	fmt.Printf("Name to send: %q. The answer for the server has %d bytes.\n", name, len(answer))
}

func signIn(ctx context.Context, service *card.Service, ask card.PINFunc) (name string, answer []byte, err error) {
	finder := enumerate.Finder{Service: service}
	credentials, err := finder.Offered(ctx)
	if len(credentials) == 0 {
		return "", nil, err
	}
	send, err := upn.SignIn{}.Name(credentials[0].Names) // the name that Windows sends
	if err != nil {
		return "", nil, err
	}
	key, err := credentials[0].Unlock(ctx, ask) // a crypto.Signer
	if err != nil {
		return "", nil, err
	}
	defer key.Close()
	issued := challenge.New("sign-in", "https://example.com") // done by the server
	answer, err = challenge.Respond(key, credentials[0].Raw, issued, "https://example.com")
	return send.Value, answer, err
}
