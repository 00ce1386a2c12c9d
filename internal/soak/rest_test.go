package soak_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
)

// hang is how long anything may take that ends when nothing disturbs it.
const hang = time.Minute

// rounds runs rounds of a length, until the duration is over.
func (f *fixture) rounds(duration, length time.Duration) report {
	r := report{Backend: f.connection.name}
	f.rest()
	r.First = f.measure(level{})
	most := r.First
	most.Goroutines += f.connection.spare.Goroutines
	most.Files += f.connection.spare.Files
	start := time.Now()
	for round := 1; ; round++ {
		f.round(round, length)
		f.rest()
		r.Rounds = round
		now := time.Since(start)
		r.add(f.measure(most), now)
		if now >= duration || f.faults.many() {
			break
		}
	}
	r.Duration = time.Since(start)
	f.fill(&r)
	return r
}

// round lets everything happen at once, at least for the length and until everything
// has happened once in the run, and waits until it has stopped.
func (f *fixture) round(round int, length time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	n := 0
	start := func(run func(int)) {
		n++
		goroutine := n
		all.Go(func() { run(goroutine) })
	}
	for range signers {
		start(func(n int) { f.sign(ctx, f.random(round, n)) })
	}
	for range neighbors {
		start(func(n int) { f.disturb(ctx, f.random(round, n)) })
	}
	start(func(n int) { f.move(ctx, f.random(round, n)) })
	start(func(n int) { f.restart(ctx, f.random(round, n), length) })
	start(func(n int) { f.list(ctx, f.random(round, n)) })
	stopped := make(chan struct{})
	go func() {
		all.Wait()
		close(stopped)
	}()
	pause(ctx, length)
	f.within("event of each kind", func(ctx context.Context) bool { return poll(ctx, f.happened) })
	cancel()
	f.within("end of a round", func(ctx context.Context) bool {
		select {
		case <-stopped:
			return true
		case <-ctx.Done():
			return false
		}
	})
}

// within reports a fault, with the stacks of all goroutines, if done does not
// return true in time.
func (f *fixture) within(what string, done func(context.Context) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	if done(ctx) {
		return
	}
	stacks := make([]byte, 1<<20)
	f.faults.add("no %s after %v:\n%s", what, hang, stacks[:runtime.Stack(stacks, true)])
}

// poll reports whether a condition becomes true before ctx ends.
func poll(ctx context.Context, condition func() bool) bool {
	for !condition() {
		if !pause(ctx, 5*time.Millisecond) {
			return condition()
		}
	}
	return true
}

// rest checks what is left after a round.
func (f *fixture) rest() {
	// A program can learn of an exchange only by reading the card.
	for range 2 {
		f.listOnce(f.finder)
		f.listOnce(f.lister)
	}
	want := f.want()
	var shown []string
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	if !poll(ctx, func() bool {
		f.useStale(want)
		shown = f.titles()
		return slices.Equal(shown, want)
	}) {
		f.faults.add("Watch shows too much: %q, too little: %q", missing(shown, want), missing(want, shown))
	}
	s := f.readers().Service()
	for _, slot := range f.placement() {
		if slot.token != nil {
			f.checkFree(s, slot.reader)
		}
	}
	if err := s.Close(); err != nil {
		f.faults.add("close: %v", err)
	}
	for _, t := range f.tokens {
		for _, a := range t.applets {
			a.check(f.faults.add)
		}
		if t.neighbor != nil && t.neighbor.Spent() != 0 {
			f.faults.add("the neighbor on %s received %d wrong PINs", t.name, t.neighbor.Spent())
		}
	}
}

var errNotNow = errors.New("no PIN is entered at rest")

// useStale uses the credentials that are not in their readers any more. Two
// exchanges that end with the same ATR and event count show only then.
func (f *fixture) useStale(want []string) {
	f.mu.Lock()
	list := slices.Clone(f.shown)
	f.mu.Unlock()
	for _, c := range list {
		if slices.Contains(want, title(c)) {
			continue
		}
		_, err := c.Unlock(context.Background(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
			return card.PIN{}, errNotNow // the card is in another reader
		})
		if err == nil {
			f.faults.add("%v is unlocked without a PIN", c)
			continue
		}
		f.classify("unlock at rest", err, errNotNow)
	}
}

// title returns the name and the reader of a credential.
func title(c *enumerate.Credential) string { return fmt.Sprintf("%s in %s", c.Title(), c.Reader) }

// missing returns the elements of a that are not in b.
func missing(a, b []string) (list []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			list = append(list, s)
		}
	}
	return list
}

// checkFree reports a card that another program cannot use.
func (f *fixture) checkFree(s *card.Service, reader string) {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	c, err := s.Card(ctx, reader)
	if err == nil {
		err = c.Do(ctx, func(*card.Tx) error { return nil })
	}
	if err != nil {
		f.faults.add("another program: %v", err)
	}
}

// want returns the names that Watch has to show, sorted.
func (f *fixture) want() (list []string) {
	for _, s := range f.placement() {
		if s.token == nil {
			continue
		}
		for _, a := range s.token.applets {
			for _, k := range a.containers {
				list = append(list, fmt.Sprintf("%s in %s", k.upn, s.reader))
			}
		}
	}
	slices.Sort(list)
	return list
}

// titles returns the names that Watch shows, sorted.
func (f *fixture) titles() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.shown {
		list = append(list, title(c))
	}
	slices.Sort(list)
	return list
}

// A level is what the process uses. Files and Memory are zero on systems that do not
// report them.
type level struct {
	Goroutines int
	Files      int
	Heap       int // in bytes, after a garbage collection
	Memory     int // resident, in bytes
}

// measure returns the level at rest. It waits for goroutines that are about to end
// and files that are about to be closed, until there are no more than before. A client may
// open its connections only when it needs them, so there may be fewer.
func (f *fixture) measure(before level) level {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	var now level
	settled := 0
	poll(ctx, func() bool {
		last := now
		now = level{Goroutines: runtime.NumGoroutine(), Files: openFiles()}
		if before == (level{}) { // nothing to compare with
			if settled++; now != last {
				settled = 0
			}
			return settled > 40
		}
		return now.Goroutines <= before.Goroutines && now.Files <= before.Files
	})
	if before != (level{}) && (now.Goroutines > before.Goroutines || now.Files > before.Files) {
		stacks := make([]byte, 1<<20)
		f.faults.add("%d goroutines and %d files at rest, want at most %d and %d\n%s", now.Goroutines, now.Files,
			before.Goroutines, before.Files, stacks[:runtime.Stack(stacks, true)])
	}
	debug.FreeOSMemory()
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	now.Heap = int(heap.HeapAlloc)
	now.Memory = residentMemory()
	return now
}

func openFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// residentMemory reads the resident pages of the process (proc(5)).
func residentMemory() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int
	if _, err := fmt.Sscan(strings.TrimSpace(string(text)), &size, &resident); err != nil {
		return 0
	}
	return resident * os.Getpagesize()
}
