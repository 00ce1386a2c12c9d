package faultmatrix

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/require"
)

// A Count is the summary of a run.
type Count struct {
	Cases  int // performed
	Right  int // ended with the right result in spite of the fault
	Errors int // ended with an error
	Failed int // violated a condition of the package comment
}

func (c Count) String() string {
	return fmt.Sprintf("%d cases, %d right results, %d errors, %d failures", c.Cases, c.Right, c.Errors, c.Failed)
}

// maxParallelStep is the largest step at which cases run in parallel. Runs that
// leave out more use slow backends, where cases would wait for each other.
const maxParallelStep = 20

// A NewFinder makes the Finder of a program.
type NewFinder func(*card.Service) *enumerate.Finder

// PrimaryFinder returns a Finder that reads the primary slots of PIV cards.
func PrimaryFinder(s *card.Service) *enumerate.Finder {
	return &enumerate.Finder{Service: s, Scan: piv.ScanPrimary}
}

// Run runs one case of every step cases, with Finders of newFinder.
func Run(t *testing.T, open Backend, newFinder NewFinder, rows []Card, step int) Count {
	var cases, right, withError, failed atomic.Int64
	t.Run("matrix", func(t *testing.T) {
		for i, row := range rows {
			for j, op := range operations(row) {
				t.Run(row.Name+"/"+op.Name, func(t *testing.T) {
					if step <= maxParallelStep {
						t.Parallel()
					}
					n := countCommands(t, open, newFinder, row, op)
					at := i + j
					for command := 1; command <= n; command++ {
						for _, f := range Faults() {
							if at++; at%step != 0 {
								continue
							}
							c := testCase{t: t, newFinder: newFinder, row: row, operation: op, command: command, fault: f}
							err := c.run(open)
							cases.Add(1)
							switch {
							case c.failed:
								failed.Add(1)
							case err != nil:
								withError.Add(1)
							default:
								right.Add(1)
							}
						}
					}
				})
			}
		}
	})
	return Count{int(cases.Load()), int(right.Load()), int(withError.Load()), int(failed.Load())}
}

// countCommands returns the number of commands of an operation without a fault.
func countCommands(t *testing.T, open Backend, newFinder NewFinder, row Card, op Operation) int {
	t.Helper()
	c := testCase{t: t, newFinder: newFinder, row: row, operation: op}
	err := c.run(open)
	if op.WrongPIN {
		require.ErrorIs(t, err, card.ErrWrongPIN)
	} else {
		require.NoError(t, err)
	}
	require.False(t, c.failed)
	return c.commands
}

type testCase struct {
	t         *testing.T
	newFinder NewFinder
	row       Card
	operation Operation
	command   int
	fault     Fault

	commands int // of Run
	failed   bool
}

func (c *testCase) fail(format string, args ...any) {
	c.t.Helper()
	c.failed = true
	c.t.Errorf("%s at command %d: %s", c.fault.Name, c.command, fmt.Sprintf(format, args...))
}

// maxDuration bounds a case. None comes near it.
const maxDuration = 20 * time.Second

const wrongPIN = "86420975"

// newProgram returns a program that uses the service.
func (c *testCase) newProgram(f *Fixture, cards []*cardtest.Card, s *card.Service) *Program {
	return &Program{Row: c.row, Soft: cards, Reader: f.Reader, PIN: cardtest.PIN, Finder: c.newFinder(s)}
}

// run runs the case and returns the error of the operation.
func (c *testCase) run(open Backend) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), maxDuration)
	defer cancel()
	cards := c.row.New()
	soft := cards[0]
	fixture := open(c.t, soft)
	defer fixture.Close()
	busyTimeout := longBusyTimeout
	if c.fault.What == cardtest.Busy {
		busyTimeout = shortBusyTimeout
	}
	service := fixture.service(busyTimeout)
	p := c.newProgram(fixture, cards, service)
	opCtx, cancelOp := context.WithCancel(ctx)
	defer cancelOp()
	if c.operation.Prepare != nil {
		require.NoError(c.t, c.operation.Prepare(opCtx, p))
		p.prompts = 0
	}
	if c.operation.WrongPIN {
		p.PIN = wrongPIN
	}
	before := soft.Exchanges().Commands
	p.fault = c.fault
	var token *cardtest.Card // that takes the place of the card
	switch {
	case c.fault.Cancel:
		fixture.At(c.command, cancelOp)
	case c.fault.What == cardtest.Replacement:
		token = c.row.New()[0]
		f := c.fault.Fault
		f.Card = token
		fixture.Fail(c.command, f)
	case c.fault.What != 0:
		fixture.Fail(c.command, c.fault.Fault)
	}
	err := c.operation.Run(opCtx, p)
	if token != nil && (token.PINs() > 0 || token.KeyUses() > 0 || token.Writes() > 0) {
		c.fail("the other card got %d PINs, used its keys %d times and was written %d times", token.PINs(), token.KeyUses(), token.Writes())
	}
	c.commands = soft.Exchanges().Commands - before
	if p.Key != nil {
		if err := p.Key.Close(); err != nil {
			c.fail("close: %v", err)
		}
	}
	if err := service.Close(); err != nil { // waits for commands that are still running
		c.fail("close service: %v", err)
	}
	c.check(p, err)
	fixture.Restore()
	if err := fixture.checkFree(ctx); err != nil {
		c.fail("another program cannot use the card: %v", err)
	}
	c.useAfterwards(ctx, fixture, cards)
	return err
}

// check checks the state of the card and the errors of the operation.
func (c *testCase) check(p *Program, err error) {
	maxSpent := 0
	if c.operation.WrongPIN {
		maxSpent = p.prompts
	}
	spent := 0
	for _, app := range p.Soft {
		spent += app.Spent()
		if !c.operation.Writes && app.Writes() > 0 {
			c.fail("%d commands that write", app.Writes())
		}
		if app.Verified() {
			c.fail("the PIN was left verified")
		}
	}
	if spent > maxSpent {
		c.fail("%d retries spent, %d PINs entered", spent, p.prompts)
	}
	if err == nil && c.operation.WrongPIN {
		c.fail("no error with a wrong PIN")
	}
	for _, err := range splitErrors(err) {
		var wrong WrongResult
		switch {
		case errors.As(err, &wrong):
			c.fail("%v", err)
		case !isDocumented(err):
			c.fail("error of an undocumented kind: %v", err)
		case !strings.Contains(err.Error(), p.Reader):
			c.fail("the error does not name the reader: %v", err)
		}
	}
}

// splitErrors returns the errors that errors.Join joined.
func splitErrors(err error) []error {
	if err == nil {
		return nil
	}
	var list []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		for _, err := range joined.Unwrap() {
			list = append(list, splitErrors(err)...)
		}
		return list
	}
	return []error{err}
}

// isDocumented reports whether programs can match the error and there is a remedy
// for users.
func isDocumented(err error) bool {
	var status card.Status
	return card.Hint(err) != "" || errors.As(err, &status) || errors.Is(err, context.Canceled)
}

// useAfterwards lets another program use the card without a fault.
func (c *testCase) useAfterwards(ctx context.Context, f *Fixture, cards []*cardtest.Card) {
	service := f.service(longBusyTimeout)
	defer service.Close()
	p := c.newProgram(f, cards, service)
	err := p.useCard(ctx)
	if p.Key != nil {
		err = errors.Join(err, p.Key.Close())
	}
	if err != nil {
		c.fail("the next program: %v", err)
	}
	if ctx.Err() != nil {
		c.fail("took longer than %v", maxDuration)
	}
}
