package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

const watchHelp = `Watch prints the credentials on the cards in this machine's readers, and then each change as cards are inserted and removed, until it is interrupted: + for an added credential, - for a removed one, ! for a fault.

It does not ask for a PIN. A credential that Windows would not offer for sign-in is marked; explain prints the reason.

With -json each change is one object on a line of its own, with "change" (added, removed or fault; with -readers also what happened to the reader or its card), "reader", "atr", "title", "application", "container", "offered", "error" and "remedy", as far as they apply.

    smartlogon watch
    smartlogon watch -readers`

// newWatch returns the command watch.
func newWatch(env *cli.Env) *cli.Command {
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	readers := flags.Bool("readers", false, "print readers and cards instead of credentials")
	asJSON := flags.Bool("json", false, "print JSON, one object per line")
	run := func(ctx context.Context, _ []string) error {
		policy, err := rules.System()
		if err != nil {
			return err
		}
		service := env.Service()
		defer service.Close()
		out := changePrinter{env.Stdout, *asJSON}
		if *readers {
			return watchReaders(ctx, service, out)
		}
		return watchCredentials(ctx, &enumerate.Finder{Service: service, Policy: policy}, out)
	}
	return &cli.Command{
		Name:    "watch",
		Summary: "print credentials as cards are inserted and removed",
		Help:    watchHelp,
		Flags:   flags,
		Run:     run,
	}
}

// A change is the JSON object for a change. Change is "added", "removed" or "fault" for
// credentials, and the kind of the event for readers.
type change struct {
	Change      string `json:"change"`
	Reader      string `json:"reader,omitempty"`
	ATR         string `json:"atr,omitempty"`
	Title       string `json:"title,omitempty"`
	Application string `json:"application,omitempty"`
	Container   string `json:"container,omitempty"`
	Offered     *bool  `json:"offered,omitempty"`
	Error       string `json:"error,omitempty"`
	Remedy      string `json:"remedy,omitempty"`
}

func watchReaders(ctx context.Context, service *card.Service, out changePrinter) error {
	for e, err := range service.Watch(ctx) {
		if err != nil {
			out.problem(err)
			continue
		}
		c := change{Change: e.Kind.String(), Reader: e.Reader}
		text := fmt.Sprintf("%q: %v", e.Reader, e.Kind)
		switch {
		case e.Mute:
			c.Error = "the card does not respond"
			text += ", but it does not respond"
		case e.Card != nil:
			c.ATR = e.ATR.String()
			text += fmt.Sprintf(", ATR %v", e.ATR)
		}
		out.print(c, text)
	}
	return nil // interrupted
}

func watchCredentials(ctx context.Context, finder *enumerate.Finder, out changePrinter) error {
	for event, err := range finder.Watch(ctx) {
		if err != nil {
			out.problem(err)
			continue
		}
		c, mark, remark := event.Credential, "+", ""
		offered := c.Findings.Offered()
		record := change{"added", c.Reader, "", c.Title(), string(c.Application), c.Container, &offered, "", ""}
		if event.Gone {
			mark, record.Change = "-", "removed"
		}
		if !offered {
			remark = " (not offered by Windows)"
		}
		out.print(record, fmt.Sprintf("%s %q in %q, %s %s%s", mark, c.Title(), c.Reader, c.Application, c.Container, remark))
	}
	return nil // interrupted
}

// A changePrinter prints each change as text or as JSON.
type changePrinter struct {
	w    io.Writer
	json bool
}

// print prints a line. Names in readers and on cards are untrusted, so it is escaped.
func (p changePrinter) print(c change, text string) {
	if p.json {
		cli.PrintJSON(p.w, c)
		return
	}
	fmt.Fprintln(p.w, cli.Escape(text))
}

func (p changePrinter) problem(err error) {
	hint := card.Hint(err)
	text := "! " + cli.ErrorText(err)
	if hint != "" {
		text += "\n  " + cli.Escape(hint)
	}
	if p.json {
		cli.PrintJSON(p.w, change{Change: "fault", Error: err.Error(), Remedy: hint})
		return
	}
	fmt.Fprintln(p.w, text)
}
