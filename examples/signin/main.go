// Signin signs a person in with a smart card, from the list of certificates to
// the verified answer, and prints the name that Windows would send.
//
//	signin -pin-env TESTPIN    # a software card, nothing needed
//	signin -pcsc               # the cards in this machine's readers
//
// It lists the certificates as Windows' tiles, takes the first, asks for the PIN
// at the terminal or takes it from a variable (-pin-env), signs a challenge, and
// verifies the answer as a server would. Who may issue the certificates of real
// cards is for a server to choose: -roots names a file with those authorities.
package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "signin:", err)
		if hint := card.Hint(err); hint != "" {
			fmt.Fprintln(os.Stderr, hint)
		}
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	system, json bool
	reader, hint string
	roots, pin   string
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("signin", flag.ContinueOnError)
	flags.BoolVar(&o.system, "pcsc", false, "use this machine's readers, not the software card")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.reader, "reader", "", "sign in with the card in this reader")
	flags.StringVar(&o.hint, "hint", "", "user name hint; it is sent instead of the certificate's name")
	flags.StringVar(&o.roots, "roots", "", "PEM `file` with the authorities whose certificates are trusted")
	flags.StringVar(&o.pin, "pin-env", "", "take the PIN from this environment `variable`")
	return o, flags.Parse(args)
}

func run(ctx context.Context, args []string, stdin *os.File, stdout io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	authorities, err := readRoots(o.roots, o.system)
	if err != nil {
		return err
	}

	// The readers: software ones, or the machine's own.
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	if o.system {
		service.Close()
		service = pcsc.System(nil)
	}
	defer service.Close()

	// The certificates that Windows would show.
	policy, err := rules.System()
	if err != nil {
		return err
	}
	find := enumerate.Finder{Service: service, Policy: policy}
	tiles, unread := find.Offered(ctx)
	chosen, err := choose(tiles, o.reader, unread)
	if err != nil {
		return err
	}
	report := newReport(tiles, chosen, unread, policy)

	// The name that Windows would send. A hint wins over the certificate.
	situation := upn.SignIn{Hint: o.hint}
	name, err := situation.Name(chosen.Names)
	if err != nil {
		return fmt.Errorf("%w (-hint gives one)", err)
	}
	report.Name, report.Source, report.Sentence = name.Value, string(name.Source), name.Sentence()

	// The server sends a challenge, the card answers it, the server verifies.
	ask := prompt.Terminal(stdin)
	if o.pin != "" {
		ask = prompt.Env(o.pin)
	}
	sent := challenge.New("sign-in", server)
	answer, err := respond(ctx, chosen, ask, sent)
	if err != nil {
		return err
	}
	report.Answer = len(answer)
	if authorities == nil {
		report.NotChecked = append(report.NotChecked, "who issued the certificate: name the authorities with -roots")
	} else {
		verifier := challenge.Verifier{Roots: authorities, Policy: policy, SignIn: situation}
		if err := verify(ctx, verifier, sent, answer); err != nil {
			return err
		}
		report.Verified = true
	}
	if o.hint != "" {
		report.NotChecked = append(report.NotChecked, "whether the account of the hint takes this certificate: that is for the directory to say")
	}
	return report.print(stdout, o.json)
}

// server is whom the program signs in to, as both sides know it.
const server = "https://example.com"

// respond is the client's side: the PIN, the key, the answer.
func respond(ctx context.Context, c *enumerate.Credential, ask card.PINFunc, sent challenge.Challenge) ([]byte, error) {
	key, err := c.Unlock(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	return challenge.Respond(key, c.Raw, sent, server)
}

// verify is the server's side.
func verify(ctx context.Context, v challenge.Verifier, sent challenge.Challenge, answer []byte) error {
	if v.SignIn.Hint != "" {
		// A server looks into its directory here, for example with package
		// upn/mapping. This program has none, and says so.
		v.Accept = func(context.Context, upn.Name, []*x509.Certificate) error { return nil }
	}
	_, err := v.Verify(ctx, sent, answer)
	return err
}

// choose takes the first certificate, of the reader if one is named.
func choose(tiles []*enumerate.Credential, reader string, unread error) (*enumerate.Credential, error) {
	for _, c := range tiles {
		if reader == "" || c.Reader == reader {
			return c, nil
		}
	}
	return nil, cmp.Or(unread, error(enumerate.ErrNotOffered))
}

// readRoots reads the trusted authorities. The software card comes with its own.
func readRoots(file string, system bool) (*x509.CertPool, error) {
	if file == "" {
		if system {
			return nil, nil
		}
		return cardtest.TestCA().Pool(), nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return pool, nil
}
