// Package signin signs in with a smart card, from the list of credentials to the
// verified answer. It is the command signin.
package signin

import (
	"cmp"
	"context"
	"crypto/x509"
	"flag"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/upn"
)

const help = `Signin signs in with a smart card, from the list of credentials to the verified answer, and prints the name that Windows would send.

It lists the credentials that Windows would offer, chooses the first, asks for the PIN, signs a challenge, and verifies the answer as a server does. A server decides which certificate authorities it trusts: -roots names a file with their certificates.

With -json it prints one object: "tiles", each with "title", "issuer", "reader" and "container"; "chosen", the index of the one that was used; "signInName", "signInNameSource" and "sentence", the reason for the name; "answerBytes"; "verified"; "notChecked" and "unread", if there is something.

    smartlogon signin
    smartlogon signin -roots authorities.pem -reader NAME
    smartlogon signin -softcard     # a software card; its PIN is 123456`

// options holds the values of the flags.
type options struct {
	system, json bool
	reader, hint string
	roots        string // file name
	ask          func(*cli.Env) card.PINFunc
}

// New returns the command. It uses the readers of env, or a software card with
// -softcard.
func New(env *cli.Env) *cli.Command {
	o := &options{}
	flags := commonFlags(o)
	software := flags.Bool("softcard", false, "use a software card, whose PIN is 123456")
	flags.StringVar(&o.reader, "reader", "", "use only the card in the reader of this `name`")
	o.ask = cli.PINFlags(flags)
	return newCommand(flags, func(ctx context.Context, _ []string) error {
		if o.system = !*software; o.reader != "" && *software {
			return cli.Usagef("-reader has no effect with -softcard")
		}
		return run(ctx, *o, env)
	})
}

// Example returns the command as the example program has it: it uses a software card,
// or the readers of env with -pcsc.
func Example(env *cli.Env) *cli.Command {
	o := &options{}
	flags := commonFlags(o)
	flags.BoolVar(&o.system, "pcsc", false, "use this machine's readers instead of a software card")
	flags.StringVar(&o.reader, "reader", "", "use only the card in the reader of this `name`; needs -pcsc")
	variable := flags.String("pin-env", "", "read the PIN from this environment `variable`")
	o.ask = func(env *cli.Env) card.PINFunc {
		if *variable != "" {
			return prompt.Env(*variable)
		}
		return prompt.Terminal(env.Stdin)
	}
	return newCommand(flags, func(ctx context.Context, _ []string) error {
		if o.reader != "" && !o.system {
			return cli.Usagef("-reader needs -pcsc")
		}
		return run(ctx, *o, env)
	})
}

func commonFlags(o *options) *flag.FlagSet {
	flags := flag.NewFlagSet("signin", flag.ContinueOnError)
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.hint, "hint", "", "user `name` hint, sent in place of the certificate's name")
	flags.StringVar(&o.roots, "roots", "", "PEM `file` with the certificates of the trusted authorities")
	return flags
}

func newCommand(flags *flag.FlagSet, run func(context.Context, []string) error) *cli.Command {
	return &cli.Command{
		Name:    "signin",
		Summary: "sign in with a card and verify the answer as a server does",
		Help:    help,
		Flags:   flags,
		Run:     run,
	}
}

func run(ctx context.Context, o options, env *cli.Env) error {
	authorities, err := readRoots(o.roots, o.system)
	if err != nil {
		return err
	}

	// The readers: the machine's, or a software reader.
	service := env.Service
	if !o.system {
		service = func() *card.Service { return cardtest.NewService(cardtest.Logon("alice@example.com")) }
	}
	readers := service()
	defer readers.Close()
	if err := cli.CheckReader(ctx, readers, o.reader); err != nil {
		return err
	}

	// The credentials that Windows would offer. The error is about cards that
	// could not be read, so it does not end the program while there is a credential.
	policy, err := rules.System()
	if err != nil {
		return err
	}
	finder := enumerate.Finder{Service: readers, Policy: policy}
	stop := env.Progress("Reading the cards")
	credentials, listErr := finder.Offered(ctx)
	stop()
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
	issued := challenge.New("sign-in", server)
	answer, err := respond(ctx, env, chosen, o.ask(env), issued)
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
	return report.print(env.Stdout, env.Width, o.json)
}

// server is the audience of the challenge. Client and server each configure it.
const server = "https://example.com"

// respond does the client's part: it unlocks the key and answers the challenge.
func respond(ctx context.Context, env *cli.Env, c *enumerate.Credential, ask card.PINFunc, issued challenge.Challenge) ([]byte, error) {
	key, err := c.Unlock(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	defer env.Progress("Waiting for the card; touch your key if it blinks")()
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
