// Watch prints the certificates in this machine's readers, and goes on to print
// those that come and go with their cards, until it is interrupted.
//
//	watch             # certificates, with a + or a -
//	watch -readers    # readers and cards, whatever is on them
//
// It asks for no PIN. A certificate that Windows would not offer for sign-in is
// marked; the program explain says why.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], pcsc.System(nil), os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "watch:", err)
		os.Exit(1)
	}
}

// run watches the readers of a service, which it closes, until ctx ends.
func run(ctx context.Context, args []string, service *card.Service, stdout io.Writer) error {
	defer service.Close()
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	readers := flags.Bool("readers", false, "print readers and cards, not certificates")
	if err := flags.Parse(args); err != nil {
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
			out.line("%q: %v, but it does not answer", e.Reader, e.Kind)
		case e.Card != nil:
			out.line("%q: %v, ATR %v", e.Reader, e.Kind, e.ATR)
		default:
			out.line("%q: %v", e.Reader, e.Kind)
		}
	}
	return nil // interrupted
}

func watchCredentials(ctx context.Context, find *enumerate.Finder, out printer) error {
	for change, err := range find.Watch(ctx) {
		if err != nil {
			out.problem(err)
			continue
		}
		c, sign, remark := change.Credential, "+", ""
		if change.Gone {
			sign = "-"
		}
		if !c.Findings.Offered() {
			remark = " (not offered by Windows)"
		}
		out.line("%s %q in %q, %s %s%s", sign, c.Title(find.Policy), c.Reader, c.Application, c.Container, remark)
	}
	return nil // interrupted
}

type printer struct{ io.Writer }

func (p printer) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p printer) problem(err error) {
	p.line("! %v", err)
	if hint := card.Hint(err); hint != "" {
		p.line("  %s", hint)
	}
}
