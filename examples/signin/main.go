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

func run(ctx context.Context, args []string, stdin *os.File, stdout io.Writer) error {
	flags := flag.NewFlagSet("signin", flag.ContinueOnError)
	system := flags.Bool("pcsc", false, "use this machine's readers, not the software card")
	reader := flags.String("reader", "", "sign in with the card in this reader")
	hint := flags.String("hint", "", "user name hint; it is sent instead of the certificate's name")
	roots := flags.String("roots", "", "PEM `file` with the authorities whose certificates are trusted")
	pinEnv := flags.String("pin-env", "", "take the PIN from this environment `variable`")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	authorities, err := readRoots(*roots, *system)
	if err != nil {
		return err
	}

	// The readers: software ones, or the machine's own.
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	if *system {
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
	chosen, err := choose(tiles, *reader, unread)
	if err != nil {
		return err
	}
	report := newReport(tiles, chosen, unread, policy)

	// The name that Windows would send. A hint wins over the certificate.
	situation := upn.SignIn{Hint: *hint}
	name, err := situation.Name(chosen.Names)
	if err != nil {
		return fmt.Errorf("%w (-hint gives one)", err)
	}
	report.Name, report.Source, report.Sentence = name.Value, string(name.Source), name.Sentence()

	// The PIN, from a variable or from the person.
	ask := prompt.Terminal(stdin)
	if *pinEnv != "" {
		ask = prompt.Env(*pinEnv)
	}
	key, err := chosen.Unlock(ctx, ask)
	if err != nil {
		return err
	}
	defer key.Close()

	// The server sends a challenge, the card answers it, the server verifies.
	const server = "https://example.com"
	sent := challenge.New("sign-in", server)
	answer, err := challenge.Respond(key, chosen.Raw, sent, server)
	if err != nil {
		return err
	}
	report.Answer = len(answer)
	if authorities != nil {
		verifier := challenge.Verifier{Roots: authorities, Policy: policy, SignIn: situation}
		if *hint != "" {
			// A server looks into its directory here, for example with
			// package upn/mapping. This program has none, and says so.
			verifier.Accept = func(context.Context, upn.Name, []*x509.Certificate) error { return nil }
		}
		if _, err := verifier.Verify(ctx, sent, answer); err != nil {
			return err
		}
		report.Verified = true
	}
	if *hint != "" {
		report.NotChecked = append(report.NotChecked, "whether the account of the hint takes this certificate: that is for the directory to say")
	}
	if authorities == nil {
		report.NotChecked = append(report.NotChecked, "who issued the certificate: name the authorities with -roots")
	}
	return report.print(stdout, *asJSON)
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
