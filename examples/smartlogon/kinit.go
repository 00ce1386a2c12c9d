package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/upn"
)

const kinitHelp = `Kinit gets a Kerberos ticket with a card and writes it into the credential cache, as kinit of MIT Kerberos does with a password.

-roots names a file with the certificates of the authorities that issue those of the domain controllers. The realm is the suffix of the name unless -realm names it, and DNS names the domain controllers unless -kdc does.

With -json it prints an object with "client", "end" and "cache".

    smartlogon kinit -roots authorities.pem
    smartlogon kinit -roots authorities.pem -reader NAME -hint alice@corp.example.com`

// kinitOptions holds the values of the flags of kinit.
type kinitOptions struct {
	pkinit.Options
	reader, hint, roots, kdcs, cache string
	json                             bool
}

// newKinit returns the command kinit.
func newKinit(env *cli.Env) *cli.Command {
	o := kinitOptions{Options: pkinit.Options{Forwardable: true}}
	flags := flag.NewFlagSet("kinit", flag.ContinueOnError)
	flags.StringVar(&o.reader, "reader", "", "use the card in the reader of this `name`")
	flags.StringVar(&o.hint, "hint", "", "sign in as the user of this `name`, not the one in the certificate")
	flags.StringVar(&o.Realm, "realm", "", "`realm` of the account")
	flags.StringVar(&o.kdcs, "kdc", "", "`addresses` of KDCs, separated by commas")
	flags.StringVar(&o.roots, "roots", "", "PEM `file` with the authorities that issue the certificates of KDCs")
	flags.StringVar(&o.cache, "c", "", "credential `cache` (default that of KRB5CCNAME)")
	flags.DurationVar(&o.Lifetime, "l", 10*time.Hour, "`lifetime` of the ticket")
	flags.DurationVar(&o.RenewLifetime, "r", 7*24*time.Hour, "`time` in which the ticket can be renewed")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	ask := cli.PINFlags(flags)
	run := func(ctx context.Context, _ []string) error {
		if o.roots == "" {
			return cli.Usagef("-roots is missing")
		}
		return kinit(ctx, env, o, ask(env))
	}
	return &cli.Command{
		Name:    "kinit",
		Summary: "get a Kerberos ticket with a card",
		Help:    kinitHelp,
		Flags:   flags,
		Run:     run,
	}
}

// kinit gets a ticket with the first certificate.
func kinit(ctx context.Context, env *cli.Env, o kinitOptions, ask card.PINFunc) error {
	if o.kdcs != "" {
		o.KDCs = strings.Split(o.kdcs, ",")
	}
	text, err := cli.ReadFile(o.roots)
	if err != nil {
		return fmt.Errorf("-roots: %w", err)
	}
	if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("-roots: no certificate in %q", o.roots)
	}
	service := env.Service()
	defer service.Close()
	if err := cli.CheckReader(ctx, service, o.reader); err != nil {
		return err
	}
	chosen, err := chooseForKerberos(ctx, service, o.reader)
	if err != nil {
		return err
	}
	// Active Directory compares the name in the certificate with that of the account.
	situation := upn.SignIn{Hybrid: true, Hint: o.hint}
	if names := chosen.Names.UPNs; len(names) > 0 {
		situation.ADUPN = names[0]
	}
	if o.Name, err = situation.Name(chosen.Names); err != nil {
		return fmt.Errorf("%w (set one with -hint)", err)
	}
	key, err := chosen.Unlock(ctx, ask)
	if err != nil {
		return err
	}
	defer key.Close() // logs the card out
	stop := env.Progress("Waiting for the domain controller; touch your key if it blinks")
	defer stop()
	tgt, err := pkinit.Login(ctx, key.WithContext(ctx), chosen.Chain(nil), o.Options)
	if err != nil {
		return err
	}
	defer tgt.Close()
	stop()
	cache := cmp.Or(o.cache, pkinit.DefaultCache())
	if err := tgt.WriteCache(cache); err != nil {
		return err
	}
	return printTicket(env, o.json, tgt.Client(), tgt.Times().End, cache)
}

func printTicket(env *cli.Env, asJSON bool, client string, end time.Time, cache string) error {
	if asJSON {
		return cli.PrintJSON(env.Stdout, struct {
			Client string    `json:"client"`
			End    time.Time `json:"end"`
			Cache  string    `json:"cache"`
		}{client, end, cache})
	}
	_, err := fmt.Fprintf(env.Stdout, "Ticket of %s until %s in %s\n", cli.Escape(client), end.Local().Format(time.DateTime), cli.Escape(cache))
	return err
}

// chooseForKerberos returns the first certificate, in the reader if it has a name.
func chooseForKerberos(ctx context.Context, service *card.Service, reader string) (*enumerate.Credential, error) {
	finder := enumerate.Finder{Service: service, Policy: rules.Policy{EnumerateECCCerts: true, X509HintsNeeded: true}}
	offered, err := finder.Offered(ctx)
	for _, c := range offered {
		if reader == "" || reader == c.Reader {
			return c, nil
		}
	}
	return nil, cmp.Or(err, enumerate.ErrNotOffered)
}
