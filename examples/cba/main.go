// Cba is a sign-in service with certificates and smart cards, on this machine.
//
//	cba -dir FOLDER             # prints the URL of the sign-in page
//	cba -dir FOLDER -softcard   # also accepts the software cards of examples/softcard
//
// In an empty folder it makes what it needs:
//
//	server-ca.crt   the authority of its two hosts; the browser must trust it
//	alice.pem       key and certificate of an example user, alice@example.com
//	users.json      accounts: names, groups, certificateUserIds
//	policy.json     authorities, username bindings, strengths, clients
//	revoked.txt     serial numbers of revoked certificates; they count after a minute
//
// Edit the last three, and start the program again after a change of users.json or
// policy.json. In policy.json, http://SELF is the program's server of revocation
// lists. To sign in without a card, import alice.pem into the browser:
//
//	openssl pkcs12 -export -in FOLDER/alice.pem -out alice.p12
//
// The reason of a refusal is in the log, on standard error. Several instances can
// share a folder.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/smartlogon/smartlogon/examples/internal/cba"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

func main() {
	cli.Main("cba", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	})
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("cba", flag.ContinueOnError)
	dir := flags.String("dir", "", "`folder` with settings, accounts and keys; by default a new one, which is removed at the end")
	softcard := flags.Bool("softcard", false, "trust the test authority of software cards; its key is public")
	login := flags.Int("login-port", 18443, "`port` of the login host; 0 is any")
	certAuth := flags.Int("certauth-port", 18444, "`port` of the certauth host; 0 is any")
	lists := flags.Int("crl-port", 0, "`port` of the revocation lists; 0 is any")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	if *dir == "" {
		made, err := os.MkdirTemp("", "cba")
		if err != nil {
			return err
		}
		defer os.RemoveAll(made)
		*dir = made
	}
	service, err := cba.Start(cba.Options{Dir: cba.Dir(*dir), Ports: [3]int{*login, *certAuth, *lists}, TestCards: *softcard, Log: stderr})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "authority of the hosts: %s\n", service.ServerCA)
	fmt.Fprintf(stdout, "key and certificate of alice@example.com: %s\n", service.UserFile)
	fmt.Fprintf(stdout, "sign in: %s\n", service.URL)
	return service.Wait(ctx)
}
