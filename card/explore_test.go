package card_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/choices"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the user enters.
const (
	rightPIN = iota
	giveUp
	wrongPIN
	samePIN
)

// ask is the PINFunc.
func (w *model) ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.askedFor = w.used
	if !w.unidentified && r.Card.Label != w.askedFor.name {
		w.violation("prompt for %v after a look at %s", r.Card, w.askedFor.name)
	}
	w.happen(w.mishap(betweenTransactions))
	if r.New {
		return card.NewPIN([]byte("654321")), nil
	}
	if w.asked == w.maxAsked {
		return card.PIN{}, errGaveUp
	}
	options := wrongPIN + 1
	if w.entered != "" {
		options = samePIN + 1
	}
	right := w.cards[0].apps[ours].pin
	switch w.choices.Pick(options) {
	case rightPIN:
		w.entered = right
	case giveUp:
		return card.PIN{}, errGaveUp
	case wrongPIN:
		w.entered = fmt.Sprint(100000 + w.asked)
	}
	w.asked++
	pin := card.NewPIN([]byte(w.entered))
	w.allowed = r.Last && w.choices.Pick(2) == 1
	if w.allowed {
		return pin.AllowLastTry(), nil
	}
	return pin, nil
}

// identity reads the identity of the card, if it has one.
func (w *model) identity(tx *card.Tx) (card.Identity, error) {
	if w.unidentified {
		return card.Identity{}, nil
	}
	name, err := tx.Command(card.Command{INS: 0xCA, Ne: 256})
	return card.NewIdentity("model", name, string(name)), err
}

// unpaddedChange is a PINChange for a secret of variable length. (The model pads it
// nevertheless.)
func unpaddedChange(ask card.PINFunc) card.PINChange {
	ch := pinChange(ask)
	ch.VerifyFirst = true
	ch.Format = card.PINFormat{Min: 4, Max: 8}
	verify, replace := ch.Verify, ch.Replace
	pad := func(pin []byte) []byte { return append(pin, "\xFF\xFF\xFF\xFF"...)[:8] }
	ch.Verify = func(pin []byte) card.Command { return verify(pad(pin)) }
	ch.Replace = func(old, pin []byte) card.Command { return replace(pad(old), pin) }
	return ch
}

// use verifies the PIN and signs, or sets the PIN.
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

// trace runs one trace: two uses, during which the card is held or not.
func (w *model) trace(held, set bool, change func(card.PINFunc) card.PINChange) {
	s := card.NewService(w, nil)
	release := func() {}
	if c, err := s.Card(context.Background(), zero); err == nil && held {
		if r, err := c.Hold(context.Background()); err == nil {
			release = r
		}
	}
	for i := range 2 {
		before := w.retries()
		asked := w.asked
		err := w.use(s, change, set && i == 0)
		w.check(err, before, asked)
	}
	release()
	if err := s.Close(); err != nil {
		w.violation("Close: %v", err)
	}
	if len(w.conns) > 0 {
		w.violation("%d connections are open", len(w.conns))
	}
}

// retries returns the sum of both retry counters.
func (w *model) retries() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cards[0].apps[ours].retries + w.cards[1].apps[ours].retries
}

// check checks the outcome of one use.
func (w *model) check(err error, retries, asked int) {
	if spent := retries - w.retries(); spent > w.asked-asked {
		w.violation("%d tries spent on %d PINs", spent, w.asked-asked)
	}
	if err == nil {
		return
	}
	var typed *card.Error
	if !errors.As(err, &typed) || typed.Reader != zero {
		w.violation("error without its reader: %v", err)
	}
	for _, expected := range []error{
		card.ErrNoService, card.ErrNoReader, card.ErrNoCard, card.ErrRemoved, card.ErrChanged, card.ErrReset, card.ErrNoResponse,
		context.Canceled, errGaveUp,
		card.ErrWrongPIN, card.ErrPINBlocked, card.ErrLastTry, card.ErrRefusedBefore,
	} {
		if errors.Is(err, expected) {
			return
		}
	}
	var status card.Status
	if !errors.As(err, &status) {
		w.violation("unexpected error: %v", err)
	}
}

// TestExplorePINGuard runs every sequence of mishaps and of PINs entered, up to a
// number of each, while a PIN is verified or set twice. With SMARTLOGON_EXPLORE=deep
// the numbers are larger, which takes minutes.
func TestExplorePINGuard(t *testing.T) {
	type bounds struct{ retries, asked, mishaps int }
	all := []bounds{{1, 2, 1}, {2, 2, 1}, {2, 4, 0}, {3, 6, 0}}
	few := []bounds{{1, 1, 1}, {2, 1, 1}, {2, 4, 0}}
	switch {
	case os.Getenv("SMARTLOGON_EXPLORE") == "deep":
		all = []bounds{{1, 3, 1}, {2, 3, 1}, {3, 3, 1}, {2, 1, 2}, {1, 2, 2}}
		few = all
	case racing:
		all = few
	}
	for _, use := range []struct {
		name                    string
		bounds                  []bounds
		held, set, unidentified bool
		habits                  habits
		change                  func(card.PINFunc) card.PINChange
	}{
		{"verified twice", all, false, false, false, habits{}, pinChange},
		{"verified twice, held", all, true, false, false, habits{}, pinChange},
		{"verified twice, no identity", few, false, false, true, habits{}, pinChange},
		{"set and verified", all, false, true, false, habits{}, pinChange},
		{"set after its own VERIFY, and verified", all, false, true, false, habits{}, unpaddedChange},
		{"never reports a verified PIN", few, true, false, false, habits{neverVerified: true}, pinChange},
		{"forgets the PIN at SELECT", few, true, false, false, habits{selectForgets: true}, pinChange},
		{"forgets the PIN at SELECT, and never reports it", all, true, false, false, habits{true, true}, pinChange},
		{"forgets the PIN at SELECT, set and verified", few, false, true, false, habits{true, true}, pinChange},
	} {
		t.Run(use.name, func(t *testing.T) {
			t.Parallel()
			total := 0
			for _, b := range use.bounds {
				var c choices.Choices
				for more := true; more; more = c.Next() {
					w := newModel(&c, b.mishaps, b.retries)
					w.maxAsked, w.unidentified = b.asked, use.unidentified
					w.withHabits(use.habits)
					w.trace(use.held, use.set, use.change)
					total++
					if len(w.violations) > 0 {
						require.Fail(t, "violation", "%q\n%+v, choices %v", w.violations, b, &c)
					}
				}
			}
			fmt.Printf("PIN guard, %s: %d traces, 0 violations\n", use.name, total)
			assert.Greater(t, total, 1000)
		})
	}
}

// TestModelReportsViolations shows that the exploration can fail.
func TestModelReportsViolations(t *testing.T) {
	w := newModel(new(choices.Choices), 0, 1)
	soft := w.cards[0]
	w.askedFor = soft
	soft.selectApp(theirs)
	soft.verify(w, []byte("111111"), nil)
	soft.selectApp(ours)
	soft.refused["111111"] = true
	soft.verify(w, []byte("111111"), nil)
	w.askedFor, w.allowed = w.cards[1], true
	soft.verify(w, []byte("123456"), nil)
	assert.True(t, slices.Equal(w.violations, []string{
		"PIN for another application",
		"last try of card 0 not allowed",
		"PIN that card 0 has refused",
		"PIN of another card for card 0",
	}), "%q", w.violations)
}
