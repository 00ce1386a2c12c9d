package card_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/choices"
)

// A model is a driver with one reader, two cards of which at most one is in it, a
// user, and other programs. Every mishap is a choice, as long as mishaps are left. The
// model records each violation of what package card promises about PINs.
type model struct {
	choices *choices.Choices

	mu           sync.Mutex // guards the rest
	mishaps      int        // that may still happen
	cancel       context.CancelFunc
	cards        [2]*modelCard
	inserted     *modelCard // nil if the reader is empty
	events       uint32
	unidentified bool         // the cards have no identity
	conns        []*modelConn // open ones
	holder       *modelConn   // has a transaction

	used       *modelCard // the card of the last command
	asked      int        // PINs that the user entered
	maxAsked   int        // after so many the user gives up
	askedFor   *modelCard // whose PIN the user entered last
	entered    string     // the PIN
	allowed    bool       // with AllowLastTry
	violations []string
}

// habits are how real cards differ from each other.
type habits struct {
	neverVerified bool // the query of the retry counter never reports a verified PIN
	selectForgets bool // SELECT of the selected application clears the PIN, too
}

// A modelCard has two applications with the same instructions and reference for their
// PINs.
type modelCard struct {
	name     string
	habits   habits
	apps     [2]modelApp
	selected int // -1: none

	refused  map[string]bool // PINs that package card can know to be wrong
	reported int             // retries, as last reported; -1 if another program verified since
}

type modelApp struct {
	pin      string
	retries  int
	verified bool
}

const (
	ours, theirs = 0, 1
	maxRetries   = 3
)

// withHabits gives both cards habits.
func (w *model) withHabits(h habits) {
	for _, k := range w.cards {
		k.habits = h
	}
}

func newModel(c *choices.Choices, mishaps, retries int) *model {
	w := &model{choices: c, mishaps: mishaps, cancel: func() {}}
	for i := range w.cards {
		k := &modelCard{name: fmt.Sprint("card ", i), selected: -1, refused: map[string]bool{}, reported: -1}
		k.apps[ours] = modelApp{pin: "123456", retries: retries}
		k.apps[theirs] = modelApp{pin: "000000", retries: maxRetries}
		w.cards[i] = k
	}
	w.inserted = w.cards[0]
	return w
}

func (w *model) violation(format string, args ...any) {
	w.violations = append(w.violations, fmt.Sprintf(format, args...))
}

// mishap chooses none (0) or one of n mishaps.
func (w *model) mishap(n int) int {
	if w.mishaps == 0 {
		return 0
	}
	k := w.choices.Pick(n + 1)
	if k > 0 {
		w.mishaps--
	}
	return k
}

// Mishaps. Those after duringTransaction only happen between transactions.
const (
	cardReset = iota + 1 // by another program
	cardRemoved
	cardExchanged // counted by the reader
	tokenReplaced // reader and card exchanged: name, ATR and event count are the same
	serviceRestarted
	contextCanceled
	otherAppSelected
	otherProgramVerified
	duringTransaction   = contextCanceled
	betweenTransactions = otherProgramVerified
)

func (w *model) happen(mishap int) {
	switch mishap {
	case cardReset:
		w.reset(nil)
	case cardRemoved:
		w.remove()
	case cardExchanged:
		next := w.other()
		w.remove()
		w.inserted = next
		w.events++
	case tokenReplaced:
		if w.inserted != nil {
			next := w.other()
			w.disconnect(driver.ReaderUnavailable)
			w.inserted = next
		}
	case serviceRestarted:
		w.disconnect(driver.ServiceStopped)
		w.events = 0
	case contextCanceled:
		w.cancel()
	case otherAppSelected, otherProgramVerified:
		if w.inserted == nil || w.holder != nil {
			return
		}
		w.inserted.selectApp(theirs)
		if mishap == otherProgramVerified {
			w.inserted.selectApp(ours)
			w.inserted.apps[ours].verified, w.inserted.apps[ours].retries, w.inserted.reported = true, maxRetries, -1
		}
	}
}

// other returns the card that is not in the reader.
func (w *model) other() *modelCard {
	if w.inserted == w.cards[0] {
		return w.cards[1]
	}
	return w.cards[0]
}

func (w *model) remove() {
	if w.inserted == nil {
		return
	}
	w.disconnect(driver.RemovedCard)
	w.inserted = nil
	w.events++
}

// disconnect ends the connections, and the card loses its power.
func (w *model) disconnect(cause driver.Errno) {
	if w.inserted != nil {
		w.inserted.powerOff()
	}
	w.holder = nil
	for _, k := range w.conns {
		if k.ended == 0 {
			k.ended = cause
		}
	}
}

// reset resets the card and marks all connections except one.
func (w *model) reset(by *modelConn) {
	if w.inserted == nil {
		return
	}
	w.inserted.powerOff()
	for _, k := range w.conns {
		if k != by && k.ended == 0 {
			k.wasReset = true
		}
	}
	if by == nil {
		w.holder = nil
	}
}

func (c *modelCard) powerOff() {
	c.selected = -1
	for i := range c.apps {
		c.apps[i].verified = false
	}
}

func (c *modelCard) selectApp(i int) {
	c.selected = i
	c.apps[1-i].verified = false
	if c.habits.selectForgets {
		c.apps[i].verified = false
	}
}

// command returns the response of the card to a command.
func (c *modelCard) command(w *model, b []byte) (response []byte, status card.Status) {
	data := b[min(5, len(b)):]
	if b[1] == 0xA4 {
		c.selectApp(map[bool]int{true: ours, false: theirs}[data[0] == pivAID[0]])
		return nil, card.StatusOK
	}
	if c.selected < 0 {
		return nil, card.StatusUnknownINS
	}
	app := &c.apps[c.selected]
	switch b[1] {
	case 0x20:
		switch {
		case b[2] == 0xFF:
			app.verified = false
			return nil, card.StatusOK
		case len(data) > 0:
			return nil, c.verify(w, data, nil)
		}
		switch {
		case app.verified && !c.habits.neverVerified:
			return nil, card.StatusOK
		case app.retries == 0:
			return nil, card.StatusMethodBlocked
		}
		return nil, card.Status(0x63C0 + app.retries)
	case 0x24:
		return nil, c.verify(w, data[:8], data[8:])
	case 0x2A: // sign
		if app.verified && c.selected == ours {
			return nil, card.StatusOK
		}
		return nil, card.StatusNotPermitted
	case 0xCA: // identity
		return []byte(c.name), card.StatusOK
	}
	return nil, card.StatusUnknownINS
}

// verify verifies a PIN, and changes it if set is not nil.
func (c *modelCard) verify(w *model, coded, set []byte) card.Status {
	app := &c.apps[c.selected]
	pin := string(bytes.TrimRight(coded, "\xFF"))
	if c.selected != ours {
		w.violation("PIN for another application")
	}
	if w.askedFor != c {
		w.violation("PIN of another card for %s", c.name)
	}
	if app.retries <= 1 && !app.verified && !w.allowed {
		w.violation("last try of %s not allowed", c.name)
	}
	if c.refused[pin] {
		w.violation("PIN that %s has refused", c.name)
	}
	if app.retries == 0 {
		return card.StatusMethodBlocked
	}
	if pin != app.pin {
		app.retries--
		app.verified = false
		if app.retries == 0 {
			return card.StatusMethodBlocked
		}
		return card.Status(0x63C0 + app.retries)
	}
	app.retries, app.verified = maxRetries, true
	if set != nil {
		app.pin = string(bytes.TrimRight(set, "\xFF"))
		clear(c.refused) // one of them may be the new PIN
	}
	return card.StatusOK
}

// note records what package card can know from the response to a command: which PIN
// was refused. A lost response shows it, too, if the counter was known before and is
// read again.
func (c *modelCard) note(b []byte, status card.Status, mishap int) {
	left, failed := status.Retries()
	failed = failed || status == card.StatusMethodBlocked
	carriesPIN := b[2] == 0 && len(b) > 5
	responded := mishap <= duringTransaction // even if the context ended before
	switch {
	case !carriesPIN && failed && responded:
		c.reported = left
	case carriesPIN && failed && (responded || c.reported > left):
		c.refused[string(bytes.TrimRight(b[5:13], "\xFF"))] = true
	}
}

// A modelConn is a connection of package card.
type modelConn struct {
	w                *model
	ended            driver.Errno // why; 0 if it has not ended
	wasReset, closed bool
}

func (w *model) Readers(ctx context.Context) ([]driver.Reader, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []driver.Reader{{Name: zero, Events: w.events, Present: w.inserted != nil, ATR: []byte{0x3B, 0x00}}}, ctx.Err()
}

func (w *model) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (w *model) Close() error { return nil }

func (w *model) Connect(ctx context.Context, _ string) (driver.Card, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.happen(w.mishap(betweenTransactions))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case w.inserted == nil:
		return nil, driver.NoSmartcard
	}
	k := &modelConn{w: w}
	w.conns = append(w.conns, k)
	return k, nil
}

func (k *modelConn) Protocol() driver.Protocol { return driver.T1 }

func (k *modelConn) err() error {
	switch {
	case k.closed:
		return driver.InvalidHandle
	case k.ended != 0:
		return k.ended
	case k.wasReset:
		return driver.ResetCard
	}
	return nil
}

func (k *modelConn) Begin(ctx context.Context) error {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.happen(w.mishap(betweenTransactions))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := k.err(); err != nil {
		return err
	}
	w.holder = k
	return nil
}

func (k *modelConn) Reconnect(context.Context) error {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k.wasReset = false
	return k.err()
}

func (k *modelConn) End(reset bool) error {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := k.err(); err != nil {
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
	if reset && k.ended == 0 {
		w.reset(k)
	}
	k.closed = true
	w.conns = slices.DeleteFunc(w.conns, func(o *modelConn) bool { return o == k })
	if w.holder == k {
		w.holder = nil
	}
	return nil
}

// Mishaps of a command.
const (
	lostBefore    = duringTransaction + iota + 1 // not received by the card
	lostAfter                                    // no response
	emptyAfter                                   // empty response
	refusedBefore                                // 6F00, not executed
	unclearAfter                                 // 6F00, executed
	anyMishap     = unclearAfter
)

func (k *modelConn) Transmit(b []byte) ([]byte, error) {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	mishap := w.mishap(anyMishap)
	if mishap <= duringTransaction {
		w.happen(mishap)
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	if w.holder != k {
		w.violation("command outside of a transaction")
	}
	w.used = w.inserted
	switch mishap {
	case lostBefore:
		return nil, driver.NotTransacted
	case refusedBefore:
		return []byte{0x6F, 0x00}, nil
	}
	response, status := w.inserted.command(w, b)
	if b[1] == 0x20 || b[1] == 0x24 {
		w.inserted.note(b, status, mishap)
	}
	switch mishap {
	case lostAfter:
		return nil, driver.NotTransacted
	case emptyAfter:
		return nil, nil
	case unclearAfter:
		return []byte{0x6F, 0x00}, nil
	}
	return append(response, byte(status>>8), byte(status)), nil
}
