package soak_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
)

const (
	readerCount = 16
	signers     = 8
	neighbors   = 3
)

// A fixture is the readers, the cards and the programs of one run.
type fixture struct {
	seed       uint64
	tokens     []*token
	connection *connection
	counts     counts
	faults     faults

	// Two programs: one lists with the identity of each card, watches and signs,
	// the other only lists.
	service, other *card.Service
	finder, lister *enumerate.Finder

	watching sync.WaitGroup
	cancel   context.CancelFunc // of the watch

	mu     sync.Mutex // guards what follows
	slots  []slot
	drawer []*token
	shown  []*enumerate.Credential // by Watch
	gone   []*enumerate.Credential // shown before; the last ones
	change chan struct{}           // closed when shown changes
}

// A slot is a reader and what is in it.
type slot struct {
	reader string
	token  *token // nil while it is empty
	moves  int
	moving bool // a card is on its way in or out
}

// counts are the figures of one run.
type counts struct {
	listings, unlocks, signatures, closed         atomic.Int64
	wrong, repeated, unknown, canceled            atomic.Int64
	insertions, removals, exchanges, replugs      atomic.Int64
	restarts, resets, neighborUses, expectedFails atomic.Int64
}

// faults collects what must not happen.
type faults struct {
	mu   sync.Mutex
	n    int
	text []string
}

// maxFaults bounds the texts that are kept.
const maxFaults = 20

func (f *faults) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if len(f.text) < maxFaults {
		text := fmt.Sprintf(format, args...)
		f.text = append(f.text, text)
		fmt.Fprintln(os.Stderr, "soak:", text) // before a run that hangs
	}
}

// many reports whether there are so many faults that a run ends early.
func (f *faults) many() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n >= maxFaults
}

// newFixture puts cards into the readers and starts the programs.
func newFixture(b backend, seed uint64) (*fixture, error) {
	tokens, err := newTokens()
	if err == nil {
		err = setPINs(context.Background(), tokens)
	}
	if err != nil {
		return nil, err
	}
	f := &fixture{seed: seed, tokens: tokens, change: make(chan struct{})}
	random := f.random(0, 0)
	shuffled := slices.Clone(tokens)
	random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	cards := make([]*cardtest.Card, readerCount)
	for i := range cards {
		cards[i] = shuffled[i].card
	}
	f.drawer = shuffled[readerCount:]
	readers := cardtest.NewReaders(cards...)
	readers.PowerDown(time.Hour) // a PIN that is left verified stays so
	for i, name := range readers.Names() {
		f.slots = append(f.slots, slot{reader: name, token: shuffled[i]})
	}
	if f.connection, err = b.connect(readers); err != nil {
		return nil, err
	}
	f.service, f.other = f.connection.service(), f.connection.service()
	f.finder = &enumerate.Finder{Service: f.service, Identify: true}
	f.lister = &enumerate.Finder{Service: f.other}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.watching.Go(func() { f.watch(ctx) })
	return f, nil
}

func (f *fixture) readers() *cardtest.Readers { return f.connection.readers }

func (f *fixture) close() error {
	f.cancel()
	f.watching.Wait()
	return errors.Join(f.service.Close(), f.other.Close(), f.connection.close())
}

// random returns the random choices of one goroutine in one round.
func (f *fixture) random(round, goroutine int) *rand.Rand {
	return rand.New(rand.NewPCG(f.seed, uint64(round)<<16|uint64(goroutine)))
}

// placement returns what is in the readers.
func (f *fixture) placement() []slot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.slots)
}

// container returns the container with a certificate, nil if there is none.
func (f *fixture) container(certificate []byte) *container {
	for _, t := range f.tokens {
		if k := t.container(certificate); k != nil {
			return k
		}
	}
	return nil
}

// identify returns the container of a credential, or nil after it has reported
// that the credential is wrong.
func (f *fixture) identify(c *enumerate.Credential) *container {
	k := f.container(c.Raw)
	switch {
	case k == nil:
		f.faults.add("unknown certificate in %v", c)
		return nil
	case c.Container != k.name, len(c.Names.UPNs) != 1, c.Names.UPNs[0] != k.upn, c.Title() != k.upn:
		f.faults.add("certificate of %s as %v", k.upn, c)
		return nil
	}
	return k
}

// watch follows Watch of the first program until ctx ends.
func (f *fixture) watch(ctx context.Context) {
	for e, err := range f.finder.Watch(ctx) {
		switch {
		case err != nil:
			f.classify("watch", err)
		case e.Gone:
			f.hide(e.Credential)
		default:
			f.show(e.Credential)
		}
	}
}

func (f *fixture) show(c *enumerate.Credential) {
	if f.identify(c) == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.shown, c) {
		f.faults.add("%v is shown twice", c)
	}
	f.shown = append(f.shown, c)
	f.notify()
}

// keptGone is how many credentials are remembered that are no longer shown.
const keptGone = 32

func (f *fixture) hide(c *enumerate.Credential) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.shown, c)
	if i < 0 {
		f.faults.add("%v is gone, and was not shown", c)
		return
	}
	f.shown = slices.Delete(f.shown, i, i+1)
	if f.gone = append(f.gone, c); len(f.gone) > keptGone {
		f.gone = slices.Delete(f.gone, 0, 1)
	}
	f.notify()
}

// notify closes the channel of those that wait for a change. The caller holds mu.
func (f *fixture) notify() {
	close(f.change)
	f.change = make(chan struct{})
}

// pick returns a credential that is shown, or sometimes one that is no longer. It
// waits for one, until ctx ends.
func (f *fixture) pick(ctx context.Context, random *rand.Rand) (*enumerate.Credential, bool) {
	old := random.IntN(5) == 0
	n := random.IntN(1 << 20)
	for {
		f.mu.Lock()
		list, change := f.shown, f.change
		if old && len(f.gone) > 0 {
			list = f.gone
		}
		var c *enumerate.Credential
		if len(list) > 0 {
			c = list[n%len(list)]
		}
		f.mu.Unlock()
		if c != nil {
			return c, true
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil, false
		}
	}
}

// expectedErrors are those that removals, exchanges, resets and restarts cause.
var expectedErrors = []error{
	card.ErrRemoved, card.ErrChanged, card.ErrReset, card.ErrNoCard, card.ErrNoReader, card.ErrNoService,
}

// classify reports an error that is not expected.
func (f *fixture) classify(op string, err error, more ...error) {
	for _, e := range append(more, expectedErrors...) {
		if errors.Is(err, e) {
			f.counts.expectedFails.Add(1)
			return
		}
	}
	f.faults.add("%s: %v", op, err)
}
