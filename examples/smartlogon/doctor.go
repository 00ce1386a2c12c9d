package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/piv"
)

const doctorHelp = `Doctor checks in this order: service, rights, version, readers, cards, applications, PINs, certificates and clock. It prints the one thing to do next. It does not ask for a PIN. The exit status is 1 if there is a problem.

With -json each check is one object on a line of its own, with "check", "state" (ok, problem or skipped), "detail" and, if there is one, "remedy". The first problem is the one to solve next.`

// A check is the result of one check of doctor, and its JSON object.
type check struct {
	Name   string `json:"check"`
	State  state  `json:"state"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// A state is the result of a check.
type state string

const (
	stateOK      state = "ok"
	stateProblem state = "problem"
	stateSkipped state = "skipped"
)

var stateColors = map[state]cli.Color{stateOK: cli.Green, stateProblem: cli.Red, stateSkipped: cli.Yellow}

// errProblem reports that a check failed. The reason has been printed.
var errProblem = errors.New("there is a problem")

// newDoctor returns the command doctor.
func newDoctor(env *cli.Env) *cli.Command {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON, one object per line")
	run := func(ctx context.Context, _ []string) error {
		service := env.Service()
		defer service.Close()
		stop := env.Progress("Checking")
		checks, err := examine(ctx, service, time.Now())
		stop()
		if err != nil {
			return err
		}
		return printChecks(env, checks, *asJSON)
	}
	return &cli.Command{
		Name:    "doctor",
		Summary: "find what is wrong, and what to do next",
		Help:    doctorHelp,
		Flags:   flags,
		Run:     run,
	}
}

func printChecks(env *cli.Env, checks []check, asJSON bool) error {
	var problem *check
	var rows [][]cli.Cell
	for i, c := range checks {
		if problem == nil && c.State == stateProblem {
			problem = &checks[i]
		}
		if asJSON {
			if err := cli.PrintJSON(env.Stdout, c); err != nil {
				return err
			}
		}
		rows = append(rows, []cli.Cell{{Text: c.Name}, {Text: string(c.State), Color: stateColors[c.State]}, {Text: c.Detail}})
	}
	next := "nothing to do, everything works."
	if problem != nil {
		if next = problem.Remedy; next == "" {
			next = "Run smartlogon explain for the details."
		}
	}
	if !asJSON {
		env.Table(env.Stdout, []string{"CHECK", "RESULT", "DETAIL"}, rows)
		fmt.Fprintf(env.Stdout, "\n%s\n", cli.Wrap("Next: "+cli.Escape(next), env.Width, 6))
	}
	if problem != nil {
		return errProblem
	}
	return nil
}

// A doctor collects checks.
type doctor struct {
	service *card.Service
	now     time.Time
	checks  []check

	notYetValid string // title of a certificate that is valid only later
}

func (d *doctor) ok(name, format string, args ...any) {
	d.checks = append(d.checks, check{name, stateOK, fmt.Sprintf(format, args...), ""})
}

func (d *doctor) skip(reason string, names ...string) {
	for _, n := range names {
		d.checks = append(d.checks, check{n, stateSkipped, reason, ""})
	}
}

func (d *doctor) problem(name, detail, remedy string) {
	d.checks = append(d.checks, check{name, stateProblem, detail, remedy})
}

func (d *doctor) fault(name string, err error) { d.problem(name, cli.Message(err), card.Hint(err)) }

// examine does all checks. The error is only that of ctx.
func examine(ctx context.Context, service *card.Service, now time.Time) ([]check, error) {
	d := &doctor{service: service, now: now}
	readers, err := service.Readers(ctx)
	switch {
	case errors.Is(err, driver.SecurityViolation), errors.Is(err, driver.NoAccess), errors.Is(err, fs.ErrPermission):
		d.ok("service", "it is there")
		d.problem("rights", cli.Message(err), cmp.Or(card.Hint(err), "Ask for the right to use smart cards."))
	case err != nil:
		d.fault("service", err)
		d.skip("needs the service", "rights")
	default:
		d.ok("service", "it is running")
		d.ok("rights", "the service can be used")
	}
	v := readVersion()
	d.ok("version", "%s, %s, %s", v.Version, v.Go, v.System)
	if err != nil {
		d.skip("needs the service", "readers", "cards", "applications", "PINs", "certificates")
	} else {
		d.readers(ctx, readers)
	}
	if title := d.notYetValid; title != "" {
		d.problem("clock", fmt.Sprintf("%s, and the certificate of %q is not valid yet", now.Format(time.RFC3339), title), "Compare the clock with another one, and set it if it is slow.")
	} else {
		d.ok("clock", "%s", now.Format(time.RFC3339))
	}
	return d.checks, ctx.Err()
}

// readers checks the readers and what is in them.
func (d *doctor) readers(ctx context.Context, readers []card.Reader) {
	if len(readers) == 0 {
		d.fault("readers", card.ErrNoReader)
		d.skip("needs a reader", "cards", "applications", "PINs", "certificates")
		return
	}
	for _, r := range readers {
		d.ok("readers", "%q", r.Name)
	}
	present := 0
	for _, r := range readers {
		switch {
		case r.Mute:
			d.fault("cards", fmt.Errorf("%q: %w", r.Name, card.ErrMute))
		case r.Present:
			present++
			d.ok("cards", "%q: ATR %v", r.Name, r.ATR)
		}
	}
	if present == 0 {
		d.fault("cards", card.ErrNoCard)
		d.skip("needs a card", "applications", "PINs", "certificates")
		return
	}
	var pins []pinState
	for _, r := range readers {
		if r.Present && !r.Mute {
			pins = append(pins, d.application(ctx, r.Name)...)
		}
	}
	for _, s := range pins {
		d.pin(s)
	}
	if len(pins) == 0 {
		d.skip("needs an application", "PINs", "certificates")
		return
	}
	d.certificates(ctx)
}

// application checks which applications a card has.
func (d *doctor) application(ctx context.Context, reader string) []pinState {
	states, err := readPINs(ctx, d.service, reader)
	if err != nil {
		d.fault("applications", err)
		return nil
	}
	var result []pinState
	for _, s := range states {
		if s.Application == "" {
			d.problem("applications", s.Error, s.Remedy)
			continue
		}
		d.ok("applications", "%q: %s", reader, s.Application)
		result = append(result, s)
	}
	return result
}

func (d *doctor) pin(s pinState) {
	text := fmt.Sprintf("%q: %s: %s", s.Reader, s.Application, describePIN(s).Text)
	switch {
	case s.Error != "":
		d.problem("PINs", text, s.Remedy)
	case s.Blocked:
		d.problem("PINs", text, card.Hint(card.ErrPINBlocked))
	case s.Retries != nil && *s.Retries == 1:
		d.problem("PINs", text, "Check the PIN before entering it: a wrong PIN blocks the card.")
	default:
		d.ok("PINs", "%s", text)
	}
}

// certificates checks whether Windows would offer a certificate.
func (d *doctor) certificates(ctx context.Context) {
	policy, err := rules.System()
	if err != nil {
		d.fault("certificates", err)
		return
	}
	now := func() time.Time { return d.now }
	finder := enumerate.Finder{Service: d.service, Policy: policy, Now: now, Scan: piv.ScanAll}
	var titles []string
	listed := 0
	var reason *rules.Finding
	for c, err := range finder.All(ctx) {
		if err != nil {
			continue // reported by application
		}
		if cert, err := rules.Read(c.Raw); err == nil && d.now.Before(cert.NotBefore().Time()) {
			d.notYetValid = c.Title()
		}
		if listed++; c.Findings.Offered() {
			titles = append(titles, fmt.Sprintf("%q, %s %s in %q: offered", c.Title(), c.Application, c.Container, c.Reader))
			continue
		}
		for i, f := range c.Findings {
			if failed(f) && reason == nil {
				reason = &c.Findings[i]
			}
		}
	}
	slices.Sort(titles) // cards are read in the order in which they answer
	for _, t := range titles {
		d.ok("certificates", "%s", t)
	}
	switch {
	case titles != nil:
	case reason != nil:
		d.problem("certificates", fmt.Sprintf("%d certificates, of which Windows would offer none; rule %s: %s", listed, reason.Rule, reason.Detail()), sentence(reason.Remedy()))
	default:
		d.problem("certificates", "there is none", "Have a certificate for smart card sign-in put on the card.")
	}
}
