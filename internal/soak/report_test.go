package soak_test

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// A report is the figures of one run.
type report struct {
	Backend  string
	Rounds   int
	Duration time.Duration

	// Levels at rest: before the first round, and after the last one.
	First, Last level

	// Memory after the first minute, and how far it went from there.
	Baseline, Least, Most int

	Figures []figure
	Faults  int
	Texts   []string
}

// A figure is one number of a report.
type figure struct {
	Name  string
	Value int64
}

// maxGrowth is how far resident memory may go from the baseline, in percent.
const maxGrowth = 5

// add notes the level after a round. The baseline is that of the first minute: a
// shorter run has none.
func (r *report) add(l level, now time.Duration) {
	r.Last = l
	switch {
	case now < time.Minute:
	case r.Baseline == 0:
		r.Baseline, r.Least, r.Most = l.Memory, l.Memory, l.Memory
	default:
		r.Least, r.Most = min(r.Least, l.Memory), max(r.Most, l.Memory)
	}
}

// growth returns how far resident memory grew, in percent.
func (r *report) growth() float64 {
	if r.Baseline == 0 {
		return 0
	}
	return 100 * float64(r.Most-r.Baseline) / float64(r.Baseline)
}

// fill completes the report.
func (f *fixture) fill(r *report) {
	spent, pins, uses := int64(0), int64(0), int64(0)
	for _, t := range f.tokens {
		for _, a := range t.applets {
			spent += int64(a.card.Spent())
			pins += int64(a.card.PINs() - a.pinBase)
			uses += int64(a.card.KeyUses() - a.keyBase)
		}
	}
	c := &f.counts
	r.Figures = []figure{
		{"listings", c.listings.Load()},
		{"keys unlocked", c.unlocks.Load()},
		{"keys closed", c.closed.Load()},
		{"signatures", c.signatures.Load()},
		{"uses of keys by cards", uses},
		{"PINs received by cards", pins},
		{"wrong PINs entered", c.wrong.Load()},
		{"wrong PINs received", spent},
		{"refused PINs entered again", c.repeated.Load()},
		{"PINs entered without counter", c.unknown.Load()},
		{"operations canceled", c.canceled.Load()},
		{"operations ended by events", c.expectedFails.Load()},
		{"insertions", c.insertions.Load()},
		{"removals", c.removals.Load()},
		{"exchanges", c.exchanges.Load()},
		{"readers replugged", c.replugs.Load()},
		{"service restarts", c.restarts.Load()},
		{"transactions of others", c.neighborUses.Load()},
		{"resets by others", c.resets.Load()},
	}
	if g := r.growth(); g > maxGrowth {
		f.faults.add("resident memory grew by %.1f %%, from %d to %d bytes", g, r.Baseline, r.Most)
	}
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	r.Faults, r.Texts = f.faults.n, f.faults.text
}

// happened reports whether everything has happened at least once.
func (f *fixture) happened() bool {
	c := &f.counts
	for _, n := range []int64{
		c.listings.Load(), c.unlocks.Load(), c.signatures.Load(), c.wrong.Load(), c.canceled.Load(),
		c.insertions.Load(), c.removals.Load(), c.exchanges.Load(), c.replugs.Load(), c.restarts.Load(),
		c.neighborUses.Load(), c.resets.Load(), c.expectedFails.Load(),
	} {
		if n == 0 {
			return false
		}
	}
	return true
}

// printTable prints reports side by side.
func printTable(w io.Writer, reports []report) {
	if len(reports) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, value func(r report) string) {
		fmt.Fprintf(t, "%s\t", name)
		for _, r := range reports {
			fmt.Fprintf(t, "%s\t", value(r))
		}
		fmt.Fprintln(t)
	}
	row("", func(r report) string { return r.Backend })
	row("duration", func(r report) string { return r.Duration.Round(time.Second).String() })
	row("rounds", func(r report) string { return fmt.Sprint(r.Rounds) })
	for i, f := range reports[0].Figures {
		row(f.Name, func(r report) string { return fmt.Sprint(r.Figures[i].Value) })
	}
	row("goroutines at rest", func(r report) string { return fmt.Sprintf("%d, %d", r.First.Goroutines, r.Last.Goroutines) })
	row("open files at rest", func(r report) string { return fmt.Sprintf("%d, %d", r.First.Files, r.Last.Files) })
	row("MB on the heap at rest", func(r report) string {
		return fmt.Sprintf("%.1f, %.1f", float64(r.First.Heap)/1e6, float64(r.Last.Heap)/1e6)
	})
	row("resident MB at rest", func(r report) string {
		return fmt.Sprintf("%.1f, %.1f", float64(r.First.Memory)/1e6, float64(r.Last.Memory)/1e6)
	})
	row("from the first minute on", func(r report) string {
		return fmt.Sprintf("%.1f to %.1f", float64(r.Least)/1e6, float64(r.Most)/1e6)
	})
	row("growth", func(r report) string { return fmt.Sprintf("%+.1f %%", r.growth()) })
	row("faults", func(r report) string { return fmt.Sprint(r.Faults) })
	t.Flush()
}
