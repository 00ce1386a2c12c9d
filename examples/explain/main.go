// Explain says of each certificate whether Windows would offer it for sign-in,
// which rule decides, and under which name it signs a person in.
//
//	explain [-json] [-at RFC3339] [-policy NAME=1,...] [FILE.pem|FILE.der ...]
//
// The name depends on where the person signs in and what is known there: -hint,
// -ad-upn, -cached-upn and -revision say so. The requirements of Windows before
// Vista are judged with -legacy.
//
// Without files it looks at the cards in the readers and is also the doctor: it
// says what is wrong with the service, the readers and the cards, and what can
// be done about it. No PIN is asked for, and no try of one is spent.
//
// With -json it prints one object for each certificate, and for each thing that
// is wrong one with "source" and "error", on a line of its own. The exit status
// is 1 if a file could not be read; it is 0 also when nothing is offered.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], pcsc.System(nil), os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "explain:", err)
		os.Exit(1)
	}
}

// run explains files, or what is on the cards of a service, which it closes.
func run(ctx context.Context, args []string, service *card.Service, stdout io.Writer) error {
	defer service.Close()
	policy, err := rules.System()
	if err != nil {
		return err
	}
	at := time.Now()
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON, one object a certificate")
	flags.Var(&policy, "policy", "Group Policy values, as in `EnumerateECCCerts=1,X509HintsNeeded=1`")
	flags.Func("at", "judge as if it were this `time`, as in 2026-01-01T00:00:00Z", func(s string) (err error) {
		at, err = time.Parse(time.RFC3339, s)
		return err
	})
	var situation upn.SignIn
	flags.StringVar(&situation.Hint, "hint", "", "user name hint that the person types")
	flags.StringVar(&situation.ADUPN, "ad-upn", "", "what Active Directory calls the user (hybrid joined)")
	flags.StringVar(&situation.CachedUPN, "cached-upn", "", "what Azure AD called the user at the last sign-in (hybrid joined)")
	flags.IntVar((*int)(&situation.Revision), "revision", int(upn.Revision2022), "edition of Microsoft's sign-in document: 2022 or 2025")
	legacy := flags.Bool("legacy", false, "judge the requirements of Windows before Vista")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if _, err := situation.Matrix(upn.Names{}); err != nil {
		return err
	}
	e := explainer{policy: policy, at: at, situation: situation, out: textPrinter{stdout}}
	if *legacy {
		e.profile = rules.Legacy
	}
	if *asJSON {
		e.out = jsonPrinter{stdout}
	}
	if flags.NArg() == 0 {
		return e.cards(ctx, service)
	}
	return e.files(flags.Args())
}

// An explainer judges certificates, wherever they come from.
type explainer struct {
	policy    rules.Policy
	profile   rules.Profile
	at        time.Time
	situation upn.SignIn
	out       printer
}
