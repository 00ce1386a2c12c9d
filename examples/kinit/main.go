// Kinit gets a Kerberos ticket with a smart card and writes it into the credential
// cache, as kinit of MIT Kerberos does with a password.
//
//	kinit -roots authorities.pem                # the first certificate on the cards
//	kinit -roots authorities.pem -list          # prints the certificates, without a PIN
//	kinit -roots authorities.pem -reader NAME -hint alice@corp.example.com
//
// The file has the certificates of the authorities that issue those of the domain
// controllers. The realm is the suffix of the name unless -realm names it, and DNS
// names the domain controllers unless -kdc does.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/upn"
)

func main() {
	cli.Main("kinit", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], pcsc.System(nil), os.Stdin, os.Stdout)
	})
}

// run uses the readers of service, and closes it.
func run(ctx context.Context, args []string, service *card.Service, stdin *os.File, stdout io.Writer) error {
	defer service.Close()
	flags := flag.NewFlagSet("kinit", flag.ContinueOnError)
	list := flags.Bool("list", false, "print the certificates and stop")
	reader := flags.String("reader", "", "use the card in the reader of this `name`")
	hint := flags.String("hint", "", "sign in as the user of this `name`, not the one in the certificate")
	realm := flags.String("realm", "", "`realm` of the account")
	kdcs := flags.String("kdc", "", "`addresses` of KDCs, separated by commas")
	file := flags.String("roots", "", "PEM `file` with the authorities that issue the certificates of KDCs")
	cache := flags.String("c", pkinit.DefaultCache(), "credential `cache`")
	lifetime := flags.Duration("l", 10*time.Hour, "`lifetime` of the ticket")
	renewable := flags.Duration("r", 7*24*time.Hour, "`time` in which the ticket can be renewed")
	pinVariable := flags.String("pin-env", "", "read the PIN from this environment `variable`")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	o := pkinit.Options{Realm: *realm, Roots: x509.NewCertPool(), Lifetime: *lifetime, RenewLifetime: *renewable, Forwardable: true}
	if *kdcs != "" {
		o.KDCs = strings.Split(*kdcs, ",")
	}
	if text, err := cli.ReadFile(*file); err != nil {
		return fmt.Errorf("-roots: %w", err)
	} else if !o.Roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("-roots: no certificate in %q", *file)
	}

	chosen, err := choose(ctx, service, *reader, *list, stdout)
	if err != nil || chosen == nil {
		return err
	}
	// Active Directory compares the name in the certificate with that of the account.
	situation := upn.SignIn{Hybrid: true, Hint: *hint}
	if names := chosen.Names.UPNs; len(names) > 0 {
		situation.ADUPN = names[0]
	}
	if o.Name, err = situation.Name(chosen.Names); err != nil {
		return fmt.Errorf("%w (set one with -hint)", err)
	}
	ask := prompt.Terminal(stdin)
	if *pinVariable != "" {
		ask = prompt.Env(*pinVariable)
	}
	key, err := chosen.Unlock(ctx, ask)
	if err != nil {
		return err
	}
	defer key.Close() // logs the card out
	tgt, err := pkinit.Login(ctx, key.WithContext(ctx), chosen.Chain(nil), o)
	if err != nil {
		return err
	}
	defer tgt.Close()
	if err = tgt.WriteCache(*cache); err == nil {
		_, err = fmt.Fprintf(stdout, "Ticket of %s until %s in %s\n", cli.Escape(tgt.Client()), tgt.Times().End.Local().Format(time.DateTime), cli.Escape(*cache))
	}
	return err
}

// choose returns the first certificate, in the reader if it has a name. If list is
// set, it prints all and returns nil.
func choose(ctx context.Context, service *card.Service, reader string, list bool, stdout io.Writer) (*enumerate.Credential, error) {
	find := enumerate.Finder{Service: service, Policy: rules.Policy{EnumerateECCCerts: true, X509HintsNeeded: true}}
	offered, err := find.Offered(ctx)
	var chosen *enumerate.Credential
	for _, c := range offered {
		if list {
			fmt.Fprintf(stdout, "%s in %q, container %s\n", cli.Escape(c.Title()), c.Reader, cli.Escape(c.Container))
		} else if chosen == nil && (reader == "" || reader == c.Reader) {
			chosen = c
		}
	}
	if chosen != nil || list && err == nil {
		return chosen, nil
	}
	if err == nil {
		err = errors.New("no certificate to sign in with in that reader")
	}
	return nil, err
}
