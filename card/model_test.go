package card_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
)

// A world is one reader, two cards of which one is in it at a time, a person and
// neighbours. Anything that can go wrong is a choice of the maze, as long as the
// budget of mishaps lasts. It says what must never happen when it happens.
type model struct {
	choices *choices

	mu      sync.Mutex // guards what follows
	mishaps int        // that may still happen
	cancel  context.CancelFunc
	cards   [2]*modelCard
	in      *modelCard // nil: none
	events  uint32
	open    []*modelConn // connections
	holder  *modelConn   // has the card in a transaction

	maxAnswers int    // answers of the person, before nobody answers
	asked      int    // answers so far
	typed      string // the last one
	consented  bool   // with it
	wrong      []string
}

// A modelCard has two applications that share instruction and reference for
// their PINs.
type modelCard struct {
	name     string
	apps     [2]modelApp
	selected int // -1: none

	known       map[string]bool // PINs of which one can know that they are wrong
	watchResult int             // tries, as last said; -1 if it was not said since something happened
}

type modelApp struct {
	pin      string
	tries    int
	verified bool
}

const (
	ours, theirs = 0, 1
	mostTries    = 3
)

func newModel(m *choices, mishaps, tries int) *model {
	w := &model{choices: m, mishaps: mishaps, cancel: func() {}}
	for i := range w.cards {
		c := &modelCard{name: fmt.Sprint("card ", i), selected: -1, known: map[string]bool{}, watchResult: -1}
		c.apps[ours] = modelApp{pin: "123456", tries: tries}
		c.apps[theirs] = modelApp{pin: "000000", tries: mostTries}
		w.cards[i] = c
	}
	w.in = w.cards[0]
	return w
}

func (w *model) never(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// mishap chooses nothing (0) or one of n mishaps.
func (w *model) mishap(n int) int {
	if w.mishaps == 0 {
		return 0
	}
	k := w.choices.pick(n + 1)
	if k > 0 {
		w.mishaps--
	}
	return k
}

// What neighbours and hands can do at any time, and what only while nobody has
// the card to himself.
const (
	somebodyResets = iota + 1
	cardTaken
	cardSwapped
	callerGone
	otherSelected
	otherVerified
	duringTransaction = callerGone
	betweenSections   = otherVerified
)

// happen lets something happen.
func (w *model) happen(what int) {
	switch what {
	case somebodyResets:
		w.reset(nil)
	case cardTaken:
		w.take()
	case cardSwapped:
		next := w.cards[0]
		if w.in == next {
			next = w.cards[1]
		}
		w.take()
		w.in = next
		w.events++
	case callerGone:
		w.cancel()
	case otherSelected, otherVerified:
		if w.in == nil || w.holder != nil {
			return
		}
		w.in.selectApp(theirs)
		if what == otherVerified { // and ours, by somebody who knows the PIN
			w.in.selectApp(ours)
			w.in.apps[ours].verified, w.in.apps[ours].tries, w.in.watchResult = true, mostTries, -1
		}
	}
}

func (w *model) take() {
	if w.in == nil {
		return
	}
	w.in.power()
	w.in = nil
	w.events++
	w.holder = nil
	for _, k := range w.open {
		k.removed = true
	}
}

// reset resets the card, and has all connections but one take note.
func (w *model) reset(by *modelConn) {
	if w.in == nil {
		return
	}
	w.in.power()
	for _, k := range w.open {
		if k != by && !k.removed {
			k.noteReset = true
		}
	}
	if by == nil {
		w.holder = nil
	}
}

func (c *modelCard) power() {
	c.selected = -1
	for i := range c.apps {
		c.apps[i].verified = false
	}
}

func (c *modelCard) selectApp(i int) {
	c.selected = i
	c.apps[1-i].verified = false
}

// command is what the card does.
func (c *modelCard) command(w *model, b []byte) card.Status {
	data := b[min(5, len(b)):]
	if b[1] == 0xA4 {
		c.selectApp(map[bool]int{true: ours, false: theirs}[data[0] == pivAID[0]])
		return card.StatusOK
	}
	if c.selected < 0 {
		return card.StatusUnknownINS
	}
	app := &c.apps[c.selected]
	switch b[1] {
	case 0x20:
		switch {
		case b[2] == 0xFF:
			app.verified = false
			return card.StatusOK
		case len(data) > 0:
			return c.check(w, data, nil)
		case app.verified:
			return card.StatusOK
		case app.tries == 0:
			return card.StatusMethodBlocked
		}
		return card.Status(0x63C0 + app.tries)
	case 0x24:
		return c.check(w, data[:8], data[8:])
	case 0x2A: // sign
		if app.verified && c.selected == ours {
			return card.StatusOK
		}
		return card.StatusNotPermitted
	}
	return card.StatusUnknownINS
}

// check is a PIN that arrives.
func (c *modelCard) check(w *model, coded, set []byte) card.Status {
	app := &c.apps[c.selected]
	pin := string(bytes.TrimRight(coded, "\xFF"))
	if c.selected != ours {
		w.never("a PIN for another application")
	}
	if app.tries <= 1 && !app.verified && !w.consented {
		w.never("the last try of %s without consent", c.name)
	}
	if c.known[pin] {
		w.never("PIN that %s has refused, again", c.name)
	}
	if app.tries == 0 {
		return card.StatusMethodBlocked
	}
	if pin != app.pin {
		app.tries--
		app.verified = false
		if app.tries == 0 {
			return card.StatusMethodBlocked
		}
		return card.Status(0x63C0 + app.tries)
	}
	app.tries, app.verified = mostTries, true
	if set != nil {
		app.pin = string(bytes.TrimRight(set, "\xFF"))
		clear(c.known) // whoever wants the PIN of before back may have it
	}
	return card.StatusOK
}

// A modelConn is a connection of the library.
type modelConn struct {
	w                          *model
	removed, noteReset, closed bool
}

func (w *model) Readers(ctx context.Context) ([]driver.Reader, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []driver.Reader{{Name: zero, Events: w.events, Present: w.in != nil, ATR: []byte{0x3B, 0x00}}}, ctx.Err()
}

func (w *model) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (w *model) Close() error { return nil }

func (w *model) Connect(ctx context.Context, _ string) (driver.Card, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.happen(w.mishap(betweenSections))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case w.in == nil:
		return nil, driver.NoSmartcard
	}
	k := &modelConn{w: w}
	w.open = append(w.open, k)
	return k, nil
}

func (k *modelConn) Protocol() driver.Protocol { return driver.T1 }

func (k *modelConn) fault() error {
	switch {
	case k.closed:
		return driver.InvalidHandle
	case k.removed:
		return driver.RemovedCard
	case k.noteReset:
		return driver.ResetCard
	}
	return nil
}

func (k *modelConn) Begin(ctx context.Context) error {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.happen(w.mishap(betweenSections))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := k.fault(); err != nil {
		return err
	}
	w.holder = k
	return nil
}

func (k *modelConn) Reconnect(context.Context) error {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k.noteReset = false
	return k.fault()
}

func (k *modelConn) End(reset bool) error {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := k.fault(); err != nil {
		return err
	}
	if reset {
		w.reset(k)
	}
	w.holder = nil
	return nil
}

func (k *modelConn) Close(reset bool) error {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if k.closed {
		return nil
	}
	if reset && !k.removed {
		w.reset(k)
	}
	k.closed = true
	w.open = slices.DeleteFunc(w.open, func(o *modelConn) bool { return o == k })
	if w.holder == k {
		w.holder = nil
	}
	return nil
}

// What can become of a command and its answer.
const (
	lostBefore = duringTransaction + iota + 1
	lostAfter
	emptyAfter
	refusedBefore
	unclearAfter
	allOfThem = unclearAfter
)

func (k *modelConn) Transmit(b []byte) ([]byte, error) {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	what := w.mishap(allOfThem)
	if what <= duringTransaction {
		w.happen(what)
	}
	if err := k.fault(); err != nil {
		return nil, err
	}
	if w.holder != k {
		w.never("a command outside of a transaction")
	}
	switch what {
	case lostBefore:
		return nil, driver.NotTransacted
	case refusedBefore:
		return []byte{0x6F, 0x00}, nil
	}
	status := w.in.command(w, b)
	if b[1] == 0x20 || b[1] == 0x24 {
		w.in.heard(b, status, what)
	}
	switch what {
	case lostAfter:
		return nil, driver.NotTransacted
	case emptyAfter:
		return nil, nil
	case unclearAfter:
		return []byte{0x6F, 0x00}, nil
	}
	return []byte{byte(status >> 8), byte(status)}, nil
}

// heard notes what a program can know of the PIN from now on: which one was
// refused. A lost answer tells it too, where the tries were known before and
// will be asked for again.
func (c *modelCard) heard(b []byte, status card.Status, what int) {
	left, failed := status.Retries()
	failed = failed || status == card.StatusMethodBlocked
	carriesPIN := b[2] == 0 && len(b) > 5
	arrived := what <= duringTransaction // even if nobody waited for it any more
	switch {
	case !carriesPIN && failed && arrived:
		c.watchResult = left
	case carriesPIN && failed && (arrived || c.watchResult > left):
		c.known[string(bytes.TrimRight(b[5:13], "\xFF"))] = true
	}
}
