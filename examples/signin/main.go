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
	"cmp"
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/upn"
)

func main() {
	cli.Main("signin", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	})
}

// options holds the values of the flags.
type options struct {
	system, json bool
	reader, hint string
	roots        string // file name
	pinVariable  string
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("signin", flag.ContinueOnError)
	flags.BoolVar(&o.system, "pcsc", false, "use this machine's readers instead of a software card")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.reader, "reader", "", "use only the card in the reader of this `name`; needs -pcsc")
	flags.StringVar(&o.hint, "hint", "", "user `name` hint, sent in place of the certificate's name")
	flags.StringVar(&o.roots, "roots", "", "PEM `file` with the certificates of the trusted authorities")
	flags.StringVar(&o.pinVariable, "pin-env", "", "read the PIN from this environment `variable`")
	if err := cli.Parse(flags, args); err != nil {
		return o, err
	}
	if o.reader != "" && !o.system {
		return o, cli.Usagef("-reader needs -pcsc")
	}
	return o, nil
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

	// The readers: the machine's, or a software reader.
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	if o.system {
		service.Close()
		service = pcsc.System(nil)
	}
	defer service.Close()

	// The credentials that Windows would offer. The error is about cards that
	// could not be read, so it does not end the program while there is a credential.
	policy, err := rules.System()
	if err != nil {
		return err
	}
	finder := enumerate.Finder{Service: service, Policy: policy}
	credentials, listErr := finder.Offered(ctx)
	chosen, err := choose(credentials, o.reader, listErr)
	if err != nil {
		return err
	}
	report := newReport(credentials, chosen, listErr, policy)

	// The name that Windows would send. A hint takes precedence over the names
	// in the certificate.
	situation := upn.SignIn{Hint: o.hint}
	name, err := situation.Name(chosen.Names)
	if err != nil {
		return fmt.Errorf("%w (set one with -hint)", err)
	}
	report.Name, report.Source, report.Sentence = name.Value, string(name.Source), name.Sentence()

	// The server issues a challenge, the client answers it with the card's key,
	// and the server verifies the answer.
	ask := prompt.Terminal(stdin)
	if o.pinVariable != "" {
		ask = prompt.Env(o.pinVariable)
	}
	issued := challenge.New("sign-in", server)
	answer, err := respond(ctx, chosen, ask, issued)
	if err != nil {
		return err
	}
	report.Answer = len(answer)
	if authorities == nil {
		report.NotChecked = append(report.NotChecked, "the issuer of the certificate (name trusted authorities with -roots)")
	} else {
		verifier := challenge.Verifier{Roots: authorities, Policy: policy, SignIn: situation, Revoked: challenge.NoRevocation}
		if err := verify(ctx, verifier, issued, answer); err != nil {
			return err
		}
		report.Verified = true
		report.NotChecked = append(report.NotChecked, "whether the certificate was revoked")
	}
	if o.hint != "" {
		report.NotChecked = append(report.NotChecked, "whether the directory maps this certificate to the account of the hint")
	}
	return report.print(stdout, o.json)
}

// server is the audience of the challenge. Client and server each configure it.
const server = "https://example.com"

// respond does the client's part: it unlocks the key and answers the challenge.
func respond(ctx context.Context, c *enumerate.Credential, ask card.PINFunc, issued challenge.Challenge) ([]byte, error) {
	key, err := c.Unlock(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	return challenge.Respond(key, c.Raw, issued, server)
}

// verify does the server's part.
func verify(ctx context.Context, v challenge.Verifier, issued challenge.Challenge, answer []byte) error {
	if v.SignIn.Hint != "" {
		// A server looks the account up in its directory here and compares its
		// mappings (package upn/mapping). This program has no directory, and
		// reports the check as not done.
		v.Accept = func(context.Context, upn.Name, []*x509.Certificate) error { return nil }
	}
	_, err := v.Verify(ctx, issued, answer)
	return err
}

// choose returns the first credential, or the first in the named reader. Without
// one it returns listErr, which says why.
func choose(credentials []*enumerate.Credential, reader string, listErr error) (*enumerate.Credential, error) {
	for _, c := range credentials {
		if reader == "" || c.Reader == reader {
			return c, nil
		}
	}
	return nil, cmp.Or(listErr, enumerate.ErrNotOffered)
}

// readRoots reads the certificates of the trusted authorities. The default is the
// test authority for a software card, and nil, for no check, otherwise.
func readRoots(file string, system bool) (*x509.CertPool, error) {
	if file == "" {
		if system {
			return nil, nil
		}
		return cardtest.TestCA().Pool(), nil
	}
	pem, err := cli.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return pool, nil
}
