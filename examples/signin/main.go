// Signin signs in with a smart card, from the list of credentials to the verified
// answer, and prints the name that Windows would send.
//
//	signin            # a software card; its PIN is 123456
//	signin -pcsc      # the cards in this machine's readers
//
// It lists the credentials that Windows would offer, chooses the first, asks for
// the PIN at the terminal or reads it from a variable (-pin-env), signs a
// challenge, and verifies the answer as a server does. A server decides which
// certificate authorities it trusts: -roots names a file with their certificates.
package main

import (
	"context"
	"os"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/examples/internal/signin"
)

func main() {
	cli.Main("signin", func(ctx context.Context) error {
		return signin.Example(cli.System()).Execute(ctx, os.Args[1:])
	})
}
