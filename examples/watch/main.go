// Watch prints the credentials on the cards in this machine's readers, and then
// each change as cards are inserted and removed, until it is interrupted.
//
//	watch             # credentials: + for an added one, - for a removed one
//	watch -readers    # readers and cards
//
// It does not ask for a PIN. A credential that Windows would not offer for sign-in
// is marked; the program explain prints the reason.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

func main() {
	cli.Main("watch", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], pcsc.System(nil), os.Stdout)
	})
}

// run watches the readers of service until ctx ends, and closes service.
func run(ctx context.Context, args []string, service *card.Service, stdout io.Writer) error {
	defer service.Close()
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	readers := flags.Bool("readers", false, "print readers and cards instead of credentials")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	out := printer{stdout}
	if *readers {
		return watchReaders(ctx, service, out)
	}
	policy, err := rules.System()
	if err != nil {
		return err
	}
	return watchCredentials(ctx, &enumerate.Finder{Service: service, Policy: policy}, out)
}

func watchReaders(ctx context.Context, service *card.Service, out printer) error {
	for e, err := range service.Watch(ctx) {
		switch {
		case err != nil:
			out.problem(err)
		case e.Mute:
			out.line("%q: %v, but it does not respond", e.Reader, e.Kind)
		case e.Card != nil:
			out.line("%q: %v, ATR %v", e.Reader, e.Kind, e.ATR)
		default:
			out.line("%q: %v", e.Reader, e.Kind)
		}
	}
	return nil // interrupted
}

func watchCredentials(ctx context.Context, finder *enumerate.Finder, out printer) error {
	for event, err := range finder.Watch(ctx) {
		if err != nil {
			out.problem(err)
			continue
		}
		c, mark, remark := event.Credential, "+", ""
		if event.Gone {
			mark = "-"
		}
		if !c.Findings.Offered() {
			remark = " (not offered by Windows)"
		}
		out.line("%s %q in %q, %s %s%s", mark, c.Title(), c.Reader, c.Application, c.Container, remark)
	}
	return nil // interrupted
}

type printer struct{ io.Writer }

// line prints a line. Names in readers and on cards are untrusted, so it is escaped.
func (p printer) line(format string, args ...any) {
	fmt.Fprintln(p, cli.Escape(fmt.Sprintf(format, args...)))
}

func (p printer) problem(err error) {
	p.line("! %s", cli.ErrorText(err))
	if hint := card.Hint(err); hint != "" {
		p.line("  %s", hint)
	}
}
