// Package explain prints, for certificates in files and on cards, whether Windows would
// offer them for sign-in, and why. It is the command explain.
package explain

import (
	"context"
	"errors"
	"flag"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/upn"
)

const help = `Explain prints, for each certificate, whether Windows would offer it for sign-in, which rules decide that, and which user name Windows would send.

It reads certificates in PEM, DER and PKCS #7 files, also in bare base64 and UTF-16, of at most 16 MiB each. Without files it reads the cards in this machine's readers. It does not ask for a PIN and spends no PIN try.

The user name depends on the device and on what it knows of the user: set -hint, -ad-upn, -cached-upn and -revision accordingly.

With -html the results are written as one page without references to other files, for a browser.

With -json each certificate is one object on a line of its own, and so is each fault, with "source", "error" and, if there is one, "remedy".

    smartlogon explain
    smartlogon explain -policy AllowCertificatesWithNoEKU=1 alice.pem
    smartlogon explain -json alice.pem
    smartlogon explain -html alice.html alice.pem`

// New returns the command.
func New(env *cli.Env) *cli.Command {
	policy, policyErr := rules.System()
	at := time.Now()
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON, one object per line")
	flags.Var(&policy, "policy", "Group Policy `values`, as in EnumerateECCCerts=1,X509HintsNeeded=1")
	flags.Func("at", "check validity at this `time`, as in 2026-01-01T00:00:00Z (default now)", func(s string) (err error) {
		if at, err = time.Parse(time.RFC3339, s); err != nil {
			return errors.New("want a time as in 2026-01-01T00:00:00Z")
		}
		return nil
	})
	var situation upn.SignIn
	flags.StringVar(&situation.Hint, "hint", "", "user `name` hint typed by the user")
	flags.StringVar(&situation.ADUPN, "ad-upn", "", "`UPN` of the user in Active Directory (hybrid joined device)")
	flags.StringVar(&situation.CachedUPN, "cached-upn", "", "`UPN` of the user in Azure AD at the last sign-in (hybrid joined device)")
	flags.IntVar((*int)(&situation.Revision), "revision", int(upn.Revision2022), "`year` of the revision of Microsoft's sign-in document: 2022 or 2025")
	traceFile := flags.String("trace", "", "write the exchanges with the cards to `FILE`")
	unmasked := flags.Bool("unmasked", false, "write certificates and identifiers to the file of -trace, too")
	html := flags.String("html", "", "write a page for a browser to `FILE`")
	legacy := flags.Bool("legacy", false, "check the requirements of Windows before Vista")
	run := func(ctx context.Context, args []string) error {
		if policyErr != nil {
			return policyErr
		}
		if _, err := situation.Matrix(upn.Names{}); err != nil {
			return cli.Usagef("%v", err)
		}
		if *unmasked && *traceFile == "" {
			return cli.Usagef("-unmasked needs -trace")
		}
		if *traceFile != "" && len(args) > 0 {
			return cli.Usagef("-trace is for cards: it takes no files to explain")
		}
		if *html != "" && *asJSON {
			return cli.Usagef("-html and -json are for different outputs: use one")
		}
		e := &explainer{policy: policy, at: at, situation: situation, out: textPrinter{env}}
		if *legacy {
			e.profile = rules.Legacy
		}
		if *asJSON {
			e.out = jsonPrinter{env.Stdout}
		}
		work := func(ctx context.Context) error { return e.readersOrFiles(ctx, env, args, *traceFile, *unmasked) }
		if *html != "" {
			return e.writeHTML(ctx, *html, work)
		}
		return work(ctx)
	}
	return &cli.Command{
		Name:    "explain",
		Summary: "explain why Windows would offer a certificate or not",
		Help:    help,
		Files:   "[FILE ...]",
		Flags:   flags,
		Run:     run,
	}
}

// An explainer checks certificates and prints the results.
type explainer struct {
	policy    rules.Policy
	profile   rules.Profile
	at        time.Time
	situation upn.SignIn
	out       printer
}

// readersOrFiles explains files, or the cards in the readers.
func (e *explainer) readersOrFiles(ctx context.Context, env *cli.Env, files []string, traceFile string, unmasked bool) error {
	if len(files) > 0 {
		return e.files(ctx, files)
	}
	service := env.Service()
	defer service.Close()
	if traceFile != "" {
		return e.traceCards(ctx, service, traceFile, unmasked)
	}
	return e.cards(ctx, service)
}
