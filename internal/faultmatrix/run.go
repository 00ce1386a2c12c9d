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

// A Count is what a run of the matrix came to.
type Count struct {
	Cases  int // made
	Right  int // ended with the right result in spite of the fault
	Errors int // ended with an error as it should be
	Failed int // did not keep what the package comment promises
}

func (c Count) String() string {
	return fmt.Sprintf("%d cases, %d right results, %d errors, %d failures", c.Cases, c.Right, c.Errors, c.Failed)
}

// manyAtOnce is how small a part of all cases may be left out for them to be made at
// the same time: those that take longer, one after the other, are fewer.
const manyAtOnce = 20

// A NewFinder makes the Finder of a program.
type NewFinder func(*card.Service) *enumerate.Finder

// PrimaryFinder returns a Finder that reads the primary slots of PIV cards.
func PrimaryFinder(s *card.Service) *enumerate.Finder {
	return &enumerate.Finder{Service: s, Scan: piv.ScanPrimary}
}

// Run makes every case, or each every-th one, with a Finder of newFinder.
func Run(t *testing.T, open Backend, newFinder NewFinder, rows []Card, every int) Count {
	var cases, right, wrong, failed atomic.Int64
	t.Run("matrix", func(t *testing.T) {
		for i, row := range rows {
			for j, op := range operations(row) {
				t.Run(row.Name+"/"+op.Name, func(t *testing.T) {
					if every < manyAtOnce {
						t.Parallel()
					}
					n := commands(t, open, newFinder, row, op)
					at := i + j
					for command := 1; command <= n; command++ {
						for _, f := range Faults() {
							if at++; at%every != 0 {
								continue
							}
							c := one{t: t, newFinder: newFinder, row: row, operation: op, command: command, fault: f}
							err := c.run(open)
							cases.Add(1)
							switch {
							case c.failed:
								failed.Add(1)
							case err != nil:
								wrong.Add(1)
							default:
								right.Add(1)
							}
						}
					}
				})
			}
		}
	})
	return Count{int(cases.Load()), int(right.Load()), int(wrong.Load()), int(failed.Load())}
}

// commands is how many commands an operation takes when nothing is wrong.
func commands(t *testing.T, open Backend, newFinder NewFinder, row Card, op Operation) int {
	t.Helper()
	c := one{t: t, newFinder: newFinder, row: row, operation: op}
	err := c.run(open)
	if op.Wrong {
		require.ErrorIs(t, err, card.ErrWrongPIN)
	} else {
		require.NoError(t, err)
	}
	require.False(t, c.failed)
	return c.took
}

// one is one case.
type one struct {
	t         *testing.T
	newFinder NewFinder
	row       Card
	operation Operation
	command   int
	fault     Fault

	took   int // commands of Run
	failed bool
}

func (c *one) fail(format string, args ...any) {
	c.t.Helper()
	c.failed = true
	c.t.Errorf("%s at command %d: %s", c.fault.Name, c.command, fmt.Sprintf(format, args...))
}

// soon is how long anything may take. No case comes near.
const soon = 20 * time.Second

func (c *one) run(open Backend) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), soon)
	defer cancel()
	cards := c.row.New()
	soft := cards[0]
	bench := open(c.t, soft)
	defer bench.Close()
	patience := patient
	if c.fault.What == cardtest.Busy {
		patience = impatient
	}
	service := bench.service(patience)
	p := &Program{Row: c.row, Soft: cards, Reader: bench.Reader, PIN: cardtest.PIN,
		Finder: c.newFinder(service)}
	if c.operation.Wrong {
		p.PIN = "86420975"
	}
	working, interrupt := context.WithCancel(ctx)
	defer interrupt()
	if c.operation.Prepare != nil {
		pin := p.PIN
		p.PIN = cardtest.PIN
		require.NoError(c.t, c.operation.Prepare(working, p))
		p.PIN, p.asked = pin, 0
	}
	before := soft.Exchanges().Commands
	p.fault = c.fault
	switch {
	case c.fault.Cancel:
		bench.At(c.command, interrupt)
	case c.fault.What != 0:
		bench.Fail(c.command, c.fault.Fault)
	}
	err := c.operation.Run(working, p)
	c.took = soft.Exchanges().Commands - before
	if p.Key != nil {
		if err := p.Key.Close(); err != nil {
			c.fail("close: %v", err)
		}
	}
	if err := service.Close(); err != nil { // waits for commands that were left behind
		c.fail("close service: %v", err)
	}
	c.check(p, err)
	bench.Restore()
	if err := bench.free(ctx); err != nil {
		c.fail("another program does not get at the card: %v", err)
	}
	c.afterwards(ctx, bench, cards)
	return err
}

// check looks at what came out.
func (c *one) check(p *Program, err error) {
	most := 0
	if c.operation.Wrong {
		most = p.asked
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
	if spent > most {
		c.fail("%d tries spent, %d PINs asked for", spent, p.asked)
	}
	if err == nil && c.operation.Wrong {
		c.fail("a wrong PIN opens the card")
	}
	for _, err := range each(err) {
		var wrong WrongResult
		switch {
		case errors.As(err, &wrong):
			c.fail("%v", err)
		case !documented(err):
			c.fail("an error of no kind: %v", err)
		case !strings.Contains(err.Error(), p.Reader):
			c.fail("the error does not name the reader: %v", err)
		}
	}
}

// each takes joined errors apart.
func each(err error) []error {
	if err == nil {
		return nil
	}
	var list []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		for _, err := range joined.Unwrap() {
			list = append(list, each(err)...)
		}
		return list
	}
	return []error{err}
}

// documented reports whether programs can tell what kind of error it is, and
// people what to do about it.
func documented(err error) bool {
	var status card.Status
	return card.Hint(err) != "" || errors.As(err, &status) || errors.Is(err, context.Canceled)
}

// afterwards has another program use the card, which is whole again.
func (c *one) afterwards(ctx context.Context, bench *Bench, cards []*cardtest.Card) {
	service := bench.service(patient)
	defer service.Close()
	p := &Program{Row: c.row, Soft: cards, Reader: bench.Reader, PIN: cardtest.PIN,
		Finder: c.newFinder(service)}
	err := p.use(ctx)
	if p.Key != nil {
		err = errors.Join(err, p.Key.Close())
	}
	if err != nil {
		c.fail("the next program: %v", err)
	}
	if ctx.Err() != nil {
		c.fail("it took longer than %v", soon)
	}
}
