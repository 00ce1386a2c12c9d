package card_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A maze is a test that makes choices, and is run once for each way to choose.
type choices struct {
	path []choice
	at   int
}

type choice struct{ taken, of int }

// pick chooses one of n, 0 at first.
func (m *choices) pick(n int) int {
	if m.at == len(m.path) {
		m.path = append(m.path, choice{0, n})
	}
	m.at++
	return m.path[m.at-1].taken
}

// next makes the path of the next run, and reports whether there is one.
func (m *choices) next() bool {
	m.path = m.path[:m.at]
	m.at = 0
	for n := len(m.path); n > 0; n-- {
		if last := &m.path[n-1]; last.taken+1 < last.of {
			last.taken++
			m.path = m.path[:n]
			return true
		}
	}
	return false
}

// What a person answers.
const (
	theRightOne = iota
	giveUp
	aWrongOne
	theSameAgain
)

// ask is the person.
func (w *model) ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.happen(w.mishap(betweenSections))
	if r.New {
		return card.NewPIN([]byte("654321")), nil
	}
	if w.asked == w.maxAnswers {
		return card.PIN{}, errGaveUp
	}
	answers := aWrongOne + 1
	if w.typed != "" {
		answers = theSameAgain + 1
	}
	right := w.cards[0].apps[ours].pin
	switch w.choices.pick(answers) {
	case theRightOne:
		w.typed = right
	case giveUp:
		return card.PIN{}, errGaveUp
	case aWrongOne:
		w.typed = fmt.Sprint(100000 + w.asked)
	}
	w.asked++
	pin := card.NewPIN([]byte(w.typed))
	w.consented = r.Last && w.choices.pick(2) == 1
	if w.consented {
		return pin.AllowLastTry(), nil
	}
	return pin, nil
}

// identity is what the application calls the card.
func (w *model) identity(*card.Tx) (card.Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.in == nil {
		return card.Identity{}, nil
	}
	return card.NewIdentity("model", []byte(w.in.name), w.in.name), nil
}

// unpadded is a change on a card that knows by itself how long the old PIN is. (The
// model pads all the same, which is the card's affair.)
func unpadded(ask card.PINFunc) card.PINChange {
	ch := pinChange(ask)
	ch.VerifyFirst = true
	ch.Format = card.PINFormat{Min: 4, Max: 8}
	verify, replace := ch.Verify, ch.Replace
	pad := func(pin []byte) []byte { return append(pin, "\xFF\xFF\xFF\xFF"...)[:8] }
	ch.Verify = func(pin []byte) card.Command { return verify(pad(pin)) }
	ch.Replace = func(old, pin []byte) card.Command { return replace(pad(old), pin) }
	return ch
}

// use is what a program does once: it verifies the PIN and signs, or sets it.
func (w *model) use(s *card.Service, change func(card.PINFunc) card.PINChange, set bool) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.mu.Lock()
	w.cancel = cancel
	w.mu.Unlock()
	c, err := s.Card(ctx, zero)
	if err != nil {
		return err
	}
	ch := change(w.ask)
	ch.Identity = w.identity
	v := ch.Verification
	if set {
		return c.ChangePIN(ctx, ch)
	}
	return c.DoWithPIN(ctx, v, func(tx *card.Tx) error {
		_, err := tx.Command(card.Command{INS: 0x2A, P1: 0x9E, P2: 0x9A})
		return err
	})
}

// trace is one way through: two uses, the card held meanwhile or not.
func (w *model) trace(held, set bool, change func(card.PINFunc) card.PINChange) {
	s := card.NewService(w, nil)
	release := func() {}
	if c, err := s.Card(context.Background(), zero); err == nil && held {
		if r, err := c.Hold(context.Background()); err == nil {
			release = r
		}
	}
	for i := range 2 {
		before := w.tries()
		asked := w.asked
		err := w.use(s, change, set && i == 0)
		w.judge(err, before, asked)
	}
	release()
	if err := s.Close(); err != nil {
		w.never("Close: %v", err)
	}
	if len(w.open) > 0 {
		w.never("%d connections are left", len(w.open))
	}
}

// tries are those left on both cards.
func (w *model) tries() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cards[0].apps[ours].tries + w.cards[1].apps[ours].tries
}

// judge looks at the end of one use.
func (w *model) judge(err error, tries, asked int) {
	if spent := tries - w.tries(); spent > w.asked-asked {
		w.never("%d tries spent on %d answers", spent, w.asked-asked)
	}
	if err == nil {
		return
	}
	var typed *card.Error
	if !errors.As(err, &typed) || typed.Reader != zero {
		w.never("an error without its reader: %v", err)
	}
	var status card.Status
	for _, known := range []error{
		card.ErrNoCard, card.ErrRemoved, card.ErrChanged, card.ErrReset, card.ErrNoResponse, context.Canceled, errGaveUp,
		card.ErrWrongPIN, card.ErrPINBlocked, card.ErrLastTry, card.ErrRefusedBefore,
	} {
		if errors.Is(err, known) {
			return
		}
	}
	if !errors.As(err, &status) {
		w.never("an error that nobody knows: %v", err)
	}
}

// Every way in which a card, its reader, neighbours and the person can behave
// while a PIN is verified or set twice, with so many mishaps and answers at most.
// Whenever a PIN arrives at a card, the model looks whether it may. With
// SMARTLOGON_EXPLORE=deep the bounds are wider, which takes minutes.
func TestExplorePINGuard(t *testing.T) {
	type bounds struct{ tries, answers, mishaps int }
	all := []bounds{{1, 2, 1}, {2, 2, 1}, {2, 4, 0}, {3, 6, 0}}
	switch {
	case os.Getenv("SMARTLOGON_EXPLORE") == "deep":
		all = []bounds{{1, 3, 1}, {2, 3, 1}, {3, 3, 1}, {2, 1, 2}, {1, 2, 2}}
	case racing:
		all = []bounds{{1, 1, 1}, {2, 1, 1}, {2, 4, 0}}
	}
	for _, use := range []struct {
		name      string
		held, set bool
		of        func(card.PINFunc) card.PINChange
	}{
		{"verified twice", false, false, pinChange},
		{"verified twice, held", true, false, pinChange},
		{"set and verified", false, true, pinChange},
		{"set where the old PIN is verified first, and verified", false, true, unpadded},
	} {
		t.Run(use.name, func(t *testing.T) {
			t.Parallel()
			total := 0
			for _, b := range all {
				var m choices
				for more := true; more; more = m.next() {
					w := newModel(&m, b.mishaps, b.tries)
					w.maxAnswers = b.answers
					w.trace(use.held, use.set, use.of)
					total++
					if len(w.wrong) > 0 {
						require.Fail(t, "never", "%q\n%+v, choices %v", w.wrong, b, m.path[:m.at])
					}
				}
			}
			fmt.Printf("PIN guard, %s: %d traces, no PIN where it should not be\n", use.name, total)
			assert.Greater(t, total, 1000)
		})
	}
}

// The judge is awake: a library that does what must not be done is caught.
func TestModelReportsViolations(t *testing.T) {
	w := newModel(new(choices), 0, 1)
	soft := w.cards[0]
	soft.selectApp(theirs)
	soft.check(w, []byte("111111"), nil)
	soft.selectApp(ours)
	soft.known["111111"] = true
	soft.check(w, []byte("111111"), nil)
	assert.True(t, slices.Equal(w.wrong, []string{
		"a PIN for another application",
		"the last try of card 0 without consent",
		"PIN that card 0 has refused, again",
	}), "%q", w.wrong)
}
