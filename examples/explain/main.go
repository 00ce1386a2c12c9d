// Explain prints, for each certificate, whether Windows would offer it for sign-in,
// which rules decide that, and which user name Windows would send.
//
//	explain [-json] [-at RFC3339] [-policy NAME=1,...] [-trace FILE [-unmasked]] [FILE ...]
//
// It reads certificates in PEM, DER and PKCS #7 files, also in bare base64 and UTF-16,
// of at most 16 MiB each. Of other files, such as PKCS #12, it prints what they are
// and how to get the certificate.
//
// Without files it reads the cards in this machine's readers. It also reports
// faults of the PC/SC service, the readers and the cards, each with a remedy. It
// does not ask for a PIN and spends no PIN try.
//
// -trace writes the commands and responses to a file, for a report about a card.
// Certificates, card identifiers, serial numbers and what else identifies a user or a
// card are left out, unless -unmasked is set. The answer to reset stays.
//
// The user name depends on the device and on what it knows of the user: set
// -hint, -ad-upn, -cached-upn and -revision accordingly. -legacy checks the
// certificate requirements of Windows before Vista.
//
// With -json each certificate is one object on a line of its own, and so is each
// fault, with "source", "error" and, if there is one, "remedy". The exit status is
// 1 if a file or a part of it could not be read, 2 for invalid flags, and 0 otherwise,
// also if no certificate is offered.
package main

import (
	"context"
	"flag"
	"io"
	"os"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/upn"
)

func main() {
	cli.Main("explain", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], pcsc.System(nil), os.Stdout)
	})
}

// run explains the files in args, or the cards of service. It closes service.
func run(ctx context.Context, args []string, service *card.Service, stdout io.Writer) error {
	defer service.Close()
	policy, err := rules.System()
	if err != nil {
		return err
	}
	at := time.Now()
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON, one object per line")
	flags.Var(&policy, "policy", "Group Policy `values`, as in EnumerateECCCerts=1,X509HintsNeeded=1")
	flags.Func("at", "check validity at this `time`, as in 2026-01-01T00:00:00Z (default now)", func(s string) (err error) {
		at, err = time.Parse(time.RFC3339, s)
		return err
	})
	var situation upn.SignIn
	flags.StringVar(&situation.Hint, "hint", "", "user `name` hint typed by the user")
	flags.StringVar(&situation.ADUPN, "ad-upn", "", "`UPN` of the user in Active Directory (hybrid joined device)")
	flags.StringVar(&situation.CachedUPN, "cached-upn", "", "`UPN` of the user in Azure AD at the last sign-in (hybrid joined device)")
	flags.IntVar((*int)(&situation.Revision), "revision", int(upn.Revision2022), "`year` of the revision of Microsoft's sign-in document: 2022 or 2025")
	traceFile := flags.String("trace", "", "write the exchanges with the cards to `FILE`")
	unmasked := flags.Bool("unmasked", false, "write certificates and identifiers to the file of -trace, too")
	legacy := flags.Bool("legacy", false, "check the requirements of Windows before Vista")
	if err := cli.ParseFiles(flags, args); err != nil {
		return err
	}
	if _, err := situation.Matrix(upn.Names{}); err != nil {
		return cli.Usagef("%v", err)
	}
	if *unmasked && *traceFile == "" {
		return cli.Usagef("-unmasked needs -trace")
	}
	if *traceFile != "" && flags.NArg() > 0 {
		return cli.Usagef("-trace is for cards: it takes no files to explain")
	}
	e := explainer{policy: policy, at: at, situation: situation, out: textPrinter{stdout}}
	if *legacy {
		e.profile = rules.Legacy
	}
	if *asJSON {
		e.out = jsonPrinter{stdout}
	}
	if *traceFile != "" {
		return e.traceCards(ctx, service, *traceFile, *unmasked)
	}
	if flags.NArg() == 0 {
		return e.cards(ctx, service)
	}
	return e.files(ctx, flags.Args())
}

// An explainer checks certificates and prints the results.
type explainer struct {
	policy    rules.Policy
	profile   rules.Profile
	at        time.Time
	situation upn.SignIn
	out       printer
}
