package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/piv"
)

const listHelp = `List prints the certificates on the cards in this machine's readers, and whether Windows would offer them for sign-in. It does not ask for a PIN. Readers without a readable card follow.

With -json each certificate is one object on a line of its own, with "reader", "application", "container", "title", "issuer", "notAfter" and "offered"; each fault has "error" and, if there is one, "remedy".

    smartlogon list
    smartlogon list -offered -json`

// A listed is the JSON object for a certificate.
type listed struct {
	Reader      string     `json:"reader"`
	Application string     `json:"application"`
	Container   string     `json:"container"`
	Title       string     `json:"title"`
	Issuer      string     `json:"issuer"`
	NotAfter    rules.Date `json:"notAfter"`
	Offered     bool       `json:"offered"`
	Failed      []string   `json:"failed"` // names of the rules, with -json also empty
}

// A failure is the JSON object for a fault.
type failure struct {
	Error  string `json:"error"`
	Remedy string `json:"remedy,omitempty"`
}

// newList returns the command list.
func newList(env *cli.Env) *cli.Command {
	flags := flag.NewFlagSet("list", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON, one object per line")
	offered := flags.Bool("offered", false, "print only what Windows would offer")
	reader := flags.String("reader", "", "print only the card in the reader of this `name`")
	run := func(ctx context.Context, _ []string) error {
		service := env.Service()
		defer service.Close()
		if err := cli.CheckReader(ctx, service, *reader); err != nil {
			return err
		}
		stop := env.Progress("Reading the cards")
		defer stop()
		entries, err := readList(ctx, service, *reader, *offered)
		stop()
		if ctx.Err() != nil || len(entries) == 0 && !*asJSON {
			return cmp.Or(ctx.Err(), err, enumerate.ErrNotOffered)
		}
		if *asJSON {
			return printListJSON(env, entries, err)
		}
		printList(env, entries)
		for _, err := range causes(err) {
			fmt.Fprintln(env.Stdout, cli.Wrap(cli.Message(err), env.Width, 2))
		}
		return nil
	}
	return &cli.Command{
		Name:    "list",
		Summary: "list the certificates on the cards",
		Help:    listHelp,
		Flags:   flags,
		Run:     run,
	}
}

// readList returns the certificates on the cards. The error joins those of the cards
// that could not be read.
func readList(ctx context.Context, service *card.Service, reader string, offeredOnly bool) (entries []listed, result error) {
	policy, err := rules.System()
	if err != nil {
		return nil, err
	}
	finder := enumerate.Finder{Service: service, Policy: policy, Scan: piv.ScanAll}
	for c, err := range finder.All(ctx) {
		if err != nil {
			result = errors.Join(result, err)
			continue
		}
		if reader != "" && c.Reader != reader || offeredOnly && !c.Findings.Offered() {
			continue
		}
		entries = append(entries, newListed(c))
	}
	// The order in which cards are read is that in which they answer.
	slices.SortStableFunc(entries, func(a, b listed) int { return strings.Compare(a.Reader, b.Reader) })
	return entries, result
}

// newListed returns the object of a credential.
func newListed(c *enumerate.Credential) listed {
	entry := listed{
		Reader:      c.Reader,
		Application: string(c.Application),
		Container:   c.Container,
		Title:       c.Title(),
		Offered:     c.Findings.Offered(),
		Failed:      []string{},
	}
	if cert, err := rules.Read(c.Raw); err == nil {
		entry.Issuer, entry.NotAfter = cert.Issuer(), cert.NotAfter()
	}
	for _, f := range c.Findings {
		if failed(f) {
			entry.Failed = append(entry.Failed, string(f.Rule))
		}
	}
	return entry
}

func printList(env *cli.Env, entries []listed) {
	var rows [][]cli.Cell
	for _, e := range entries {
		offered := cli.Cell{Text: "offered", Color: cli.Green}
		if !e.Offered {
			offered = cli.Cell{Text: "no: " + joinWords(e.Failed), Color: cli.Yellow}
		}
		rows = append(rows, []cli.Cell{
			{Text: e.Title}, offered, {Text: e.Application + " " + e.Container}, {Text: e.Reader}, {Text: day(e.NotAfter)},
		})
	}
	env.Table(env.Stdout, []string{"NAME", "SIGN-IN", "CONTAINER", "READER", "VALID UNTIL"}, rows)
}

func printListJSON(env *cli.Env, entries []listed, listErr error) error {
	var result error
	for _, e := range entries {
		result = errors.Join(result, cli.PrintJSON(env.Stdout, e))
	}
	for _, err := range causes(listErr) {
		result = errors.Join(result, cli.PrintJSON(env.Stdout, failure{err.Error(), card.Hint(err)}))
	}
	return result
}
