package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/piv"
)

// newPIN returns the command pin.
func newPIN(env *cli.Env) *cli.Command {
	return &cli.Command{
		Name:     "pin",
		Summary:  "show the state of the PIN, change it, unblock it",
		Help:     "Pin shows the state of the PIN of a card, changes it, and unblocks it with the PUK. To read the state costs no try.",
		Commands: []*cli.Command{newPINStatus(env), newPINChange(env), newPINUnblock(env)},
	}
}

// A pinState is the JSON object for the state of a PIN.
type pinState struct {
	Reader      string `json:"reader"`
	Application string `json:"application,omitempty"`
	Retries     *int   `json:"retries,omitempty"` // missing if the card does not report them
	Blocked     bool   `json:"blocked"`
	Verified    bool   `json:"verified"`
	Error       string `json:"error,omitempty"`
	Remedy      string `json:"remedy,omitempty"`
}

func newPINStatus(env *cli.Env) *cli.Command {
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	reader := flags.String("reader", "", "print only the card in the reader of this `name`")
	asJSON := flags.Bool("json", false, "print JSON, one object per line")
	run := func(ctx context.Context, _ []string) error {
		service := env.Service()
		defer service.Close()
		if err := cli.CheckReader(ctx, service, *reader); err != nil {
			return err
		}
		stop := env.Progress("Reading the cards")
		states, err := readPINs(ctx, service, *reader)
		stop()
		if err != nil {
			return err
		}
		if *asJSON {
			for _, s := range states {
				if err := cli.PrintJSON(env.Stdout, s); err != nil {
					return err
				}
			}
			return nil
		}
		var rows [][]cli.Cell
		for _, s := range states {
			rows = append(rows, []cli.Cell{{Text: s.Reader}, {Text: s.Application}, describePIN(s)})
		}
		env.Table(env.Stdout, []string{"READER", "APPLICATION", "PIN"}, rows)
		return nil
	}
	return &cli.Command{
		Name:    "status",
		Summary: "print the retries left",
		Help: `Status prints, for each card, the retries left of its PIN. It costs no try.

With -json each PIN is one object on a line of its own, with "reader", "application", "retries" unless the card does not report them, "blocked" and "verified"; or with "error" and "remedy".`,
		Flags: flags,
		Run:   run,
	}
}

func describePIN(s pinState) cli.Cell {
	switch {
	case s.Error != "":
		return cli.Cell{Text: s.Error, Color: cli.Red}
	case s.Blocked:
		return cli.Cell{Text: "blocked: smartlogon pin unblock sets a new one", Color: cli.Red}
	case s.Verified:
		return cli.Cell{Text: "verified at present"}
	case s.Retries == nil:
		return cli.Cell{Text: "retries left: not reported"}
	case *s.Retries == 1:
		return cli.Cell{Text: "retries left: 1, a wrong PIN blocks the card", Color: cli.Yellow}
	}
	return cli.Cell{Text: fmt.Sprintf("retries left: %d", *s.Retries), Color: cli.Green}
}

// readPINs returns the states of the PINs in all readers, or in one.
func readPINs(ctx context.Context, service *card.Service, reader string) ([]pinState, error) {
	readers, err := service.Readers(ctx)
	if err != nil {
		return nil, err
	}
	if len(readers) == 0 {
		return nil, card.ErrNoReader
	}
	var states []pinState
	for _, r := range readers {
		if reader != "" && r.Name != reader {
			continue
		}
		managers, err := findPINs(ctx, service, r.Name)
		if err != nil {
			states = append(states, pinState{Reader: r.Name, Error: err.Error(), Remedy: card.Hint(err)})
		}
		for _, m := range managers {
			s := pinState{Reader: r.Name, Application: string(m.application)}
			status, err := m.status(ctx)
			if err != nil {
				s.Error, s.Remedy = err.Error(), card.Hint(err)
			}
			s.Blocked, s.Verified = status.Blocked, status.Verified
			if err == nil && status.Retries >= 0 {
				s.Retries = &status.Retries
			}
			states = append(states, s)
		}
	}
	return states, ctx.Err()
}

// A pinManager has the operations on the PIN of an application.
type pinManager struct {
	application     enumerate.Application
	status          func(context.Context) (card.PINStatus, error)
	change, unblock func(context.Context, card.PINFunc) error
}

// findPINs returns the PINs of the card in a reader: of the PIV application, which needs
// no certificate, and of others with one.
func findPINs(ctx context.Context, service *card.Service, reader string) (managers []pinManager, result error) {
	c, err := service.Card(ctx, reader)
	if err != nil {
		return nil, err
	}
	p := piv.New(c)
	if _, err := p.PINStatus(ctx); err == nil {
		holder := p.Holder()
		managers = append(managers, pinManager{enumerate.PIV, p.PINStatus, holder.ChangePIN, holder.Unblock})
	} else if !errors.Is(err, piv.ErrNotPIV) {
		return nil, err
	}
	known := map[enumerate.Application]bool{enumerate.PIV: true}
	finder := enumerate.Finder{Service: service}
	for c, err := range finder.All(ctx) {
		if err != nil {
			var located *card.Error
			if errors.As(err, &located) && located.Reader == reader {
				result = errors.Join(result, err)
			}
			continue
		}
		if c.Reader == reader && !known[c.Application] {
			known[c.Application] = true
			m := c.PIN()
			managers = append(managers, pinManager{c.Application, m.Status, m.Change, m.Unblock})
		}
	}
	if len(managers) > 0 {
		return managers, nil
	}
	if result == nil {
		result = enumerate.ErrNoApplication
	}
	return nil, result
}

func newPINChange(env *cli.Env) *cli.Command {
	return newPINCommand(env, "change", "change the PIN", `Change sets a new PIN with the current one. It asks for both at the terminal. It does not spend the last try unless the user agrees. With -json it prints an object with "reader" and "application".

    smartlogon pin change
    OLD=123456 NEW=654321 smartlogon pin change -pin-env OLD -new-pin-env NEW`,
		func(ctx context.Context, m pinManager, ask card.PINFunc) error { return m.change(ctx, ask) })
}

func newPINUnblock(env *cli.Env) *cli.Command {
	return newPINCommand(env, "unblock", "set a new PIN with the PUK", `Unblock sets a new PIN with the PUK of the card. It asks for both at the terminal. A wrong PUK costs one of its tries, and a card whose PUK is blocked has to be reset. With -json it prints an object with "reader" and "application".

    smartlogon pin unblock
    PUK=12345678 NEW=654321 smartlogon pin unblock -unknown-retries -pin-env PUK -new-pin-env NEW`,
		func(ctx context.Context, m pinManager, ask card.PINFunc) error { return m.unblock(ctx, ask) })
}

// newPINCommand returns a command that sets a PIN.
func newPINCommand(env *cli.Env, name, summary, help string, set func(context.Context, pinManager, card.PINFunc) error) *cli.Command {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	reader := flags.String("reader", "", "use the card in the reader of this `name`")
	application := flags.String("app", "", "use this `application` of a card with several: PIV or GIDS")
	asJSON := flags.Bool("json", false, "print JSON")
	ask := cli.PINFlags(flags)
	unknown := flags.Bool("unknown-retries", false, "spend a try even if the card does not report the retries left, as most do not for a PUK")
	newVariable := flags.String("new-pin-env", "", "read the new PIN from this environment `variable`")
	run := func(ctx context.Context, _ []string) error {
		service := env.Service()
		defer service.Close()
		name, err := chooseReader(ctx, service, *reader)
		if err != nil {
			return err
		}
		managers, err := findPINs(ctx, service, name)
		if err != nil {
			return err
		}
		m, err := choosePIN(managers, *application)
		if err != nil {
			return err
		}
		askBoth := withNewPIN(ask(env), *newVariable)
		if *unknown {
			askBoth = card.AllowUnknownRetries(askBoth)
		}
		if err := set(ctx, m, askBoth); err != nil {
			return err
		}
		if *asJSON {
			return cli.PrintJSON(env.Stdout, struct {
				Reader      string `json:"reader"`
				Application string `json:"application"`
			}{name, string(m.application)})
		}
		_, err = fmt.Fprintln(env.Stdout, cli.Escape(fmt.Sprintf("The new PIN of the %s application on the card in %q is set.", m.application, name)))
		return err
	}
	return &cli.Command{Name: name, Summary: summary, Help: help, Flags: flags, Run: run}
}

// chooseReader returns the reader that the user named, or the only one with a card.
func chooseReader(ctx context.Context, service *card.Service, name string) (string, error) {
	if err := cli.CheckReader(ctx, service, name); err != nil || name != "" {
		return name, err
	}
	readers, err := service.Readers(ctx)
	if err != nil {
		return "", err
	}
	var present []string
	for _, r := range readers {
		if r.Present {
			present = append(present, r.Name)
		}
	}
	switch {
	case len(present) == 1:
		return present[0], nil
	case len(present) > 1:
		return "", cli.Usagef("cards in %d readers: name one with -reader", len(present))
	case len(readers) == 0:
		return "", card.ErrNoReader
	}
	return "", card.ErrNoCard
}

// choosePIN returns the PIN of the application that the user named, or the only one.
func choosePIN(managers []pinManager, application string) (pinManager, error) {
	if application == "" && len(managers) == 1 {
		return managers[0], nil
	}
	var names []string
	for _, m := range managers {
		if string(m.application) == application {
			return m, nil
		}
		names = append(names, string(m.application))
	}
	return pinManager{}, cli.Usagef("name an application of the card with -app: %s", joinWords(names))
}

// withNewPIN returns a PINFunc that reads the new PIN from a variable, if there is one.
func withNewPIN(ask card.PINFunc, variable string) card.PINFunc {
	if variable == "" {
		return ask
	}
	return func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		switch {
		case !r.New:
			return ask(ctx, r)
		case r.Refused != nil:
			return card.PIN{}, r.Refused
		}
		pin := os.Getenv(variable)
		if pin == "" {
			return card.PIN{}, fmt.Errorf("variable %s: no PIN", variable)
		}
		return card.NewPIN([]byte(pin)), nil
	}
}
