package realcards_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/choices"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An exploration is one run: a program signs twice with the key of a model, while the
// user enters PINs and at most one mishap happens.
type exploration struct {
	*choices.Choices
	model    string
	soft     *cardtest.Card
	token    *cardtest.Card // that may take the place of soft
	neighbor *cardtest.Neighbor
	readers  *cardtest.Readers
	other    *card.Service // of another program

	mu       sync.Mutex // guards the rest
	mishaps  int        // that may still happen
	maxAsked int        // PINs after which the user gives up
	replaced bool
	asked    int // PINs entered
	onToken  int // after the exchange
	last     string
	wrong    map[string]bool // PINs entered that are wrong
	consent  bool            // to the last try
}

// faults are the mishaps of a command.
var faults = []cardtest.Fault{
	{What: cardtest.OtherReset, When: cardtest.Before},
	{What: cardtest.Removal},
	{What: cardtest.NoResponse},
	{What: cardtest.NoResponse, When: cardtest.After},
	{What: cardtest.WrongStatus},
	{What: cardtest.WrongStatus, When: cardtest.After},
	{What: cardtest.Empty, When: cardtest.After},
	{What: cardtest.Replacement, When: cardtest.Before},
}

// onCommand chooses the mishap of a command.
func (e *exploration) onCommand(reader string, _ []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mishaps == 0 {
		return
	}
	k := e.Pick(len(faults) + 1)
	if k == 0 {
		return
	}
	e.mishaps--
	f := faults[k-1]
	if f.What == cardtest.Replacement {
		f.Card, e.replaced = e.token, true
	}
	e.readers.Fault(reader, 1, f)
}

// meanwhile chooses what another program does while the user is asked.
func (e *exploration) meanwhile() {
	e.mu.Lock()
	use := 0
	if e.mishaps > 0 {
		if use = e.Pick(3); use > 0 {
			e.mishaps--
		}
	}
	e.mu.Unlock()
	if use == 0 {
		return
	}
	e.readers.OnCommand(nil)
	defer e.readers.OnCommand(e.onCommand)
	c, err := e.other.Card(context.Background(), e.readers.Names()[0])
	if err != nil {
		return
	}
	_ = c.Do(context.Background(), func(tx *card.Tx) error { // fails if the card is gone
		_, err := tx.Select(e.neighbor.AID())
		if use == 2 {
			if _, err = tx.Select(pivAID); err == nil {
				_, err = tx.Command(card.Command{INS: 0x20, P2: 0x80, Data: []byte(cardtest.PIN + "\xFF\xFF")})
			}
		}
		return err
	})
}

var pivAID = []byte{0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00}

var errGaveUp = errors.New("the user gave up")

// ask is the PINFunc.
func (e *exploration) ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	e.meanwhile()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked == e.maxAsked {
		return card.PIN{}, errGaveUp
	}
	options := 3
	if e.last != "" {
		options = 4
	}
	switch e.Pick(options) {
	case 0:
		e.last = cardtest.PIN
	case 1:
		return card.PIN{}, errGaveUp
	case 2:
		e.last = fmt.Sprint(987650 + e.asked)
	}
	if e.asked++; e.replaced {
		e.onToken++
	}
	if e.last != cardtest.PIN {
		e.wrong[e.last] = true
	}
	pin := card.NewPIN([]byte(e.last))
	if r.Last && e.Pick(2) == 1 {
		e.consent = true
		return pin.AllowLastTry(), nil
	}
	return pin, nil
}

// quick returns a card of a model with one key, which signs quickly.
func quick(model string, options ...cardtest.Option) *cardtest.Card {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}, Key: cardtest.Key(cardtest.P256, 0)})
	return cardtest.Model(model, options...).PutObject(0x5FC10B, nil).Put("9A", key, certificate)
}

// bounds bound the runs: retries left, PINs entered, mishaps.
type bounds struct{ retries, asked, mishaps int }

// explore performs one run and returns what it violates.
func explore(t *testing.T, c *choices.Choices, model string, b bounds) (violations []string) {
	neighbor := cardtest.NewNeighbor([]byte("\xF0neighbor"), "000000")
	e := &exploration{
		Choices: c, model: model, neighbor: neighbor, mishaps: b.mishaps, maxAsked: b.asked, wrong: map[string]bool{},
		soft:  quick(model, neighbor, cardtest.MaxRetries(3), cardtest.RetriesLeft(b.retries)),
		token: quick(model, cardtest.MaxRetries(3)),
	}
	e.readers = cardtest.NewReaders(e.soft)
	e.readers.PowerDown(time.Hour) // so that a PIN that was left verified shows
	service := e.readers.Service()
	e.other = e.readers.Service()
	violation := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	var credential *enumerate.Credential
	for c, err := range (&enumerate.Finder{Service: service}).All(t.Context()) {
		if err == nil {
			credential = c
		}
	}
	require.NotNil(t, credential)
	e.readers.OnCommand(e.onCommand)
	if key, err := credential.Unlock(t.Context(), e.ask); err == nil {
		for range 2 {
			if err := signP256(key); err != nil && card.Hint(err) == "" && !isExpected(err) {
				violation("undocumented error: %v", err)
			}
		}
		if err := key.Close(); err != nil {
			violation("close: %v", err)
		}
	} else if card.Hint(err) == "" && !isExpected(err) {
		violation("undocumented error: %v", err)
	}
	require.NoError(t, service.Close())
	require.NoError(t, e.other.Close())
	require.NoError(t, e.readers.Close())
	e.mu.Lock()
	defer e.mu.Unlock()
	switch spent := e.soft.Spent() + e.token.Spent(); {
	case spent > len(e.wrong):
		violation("%d tries spent on %d wrong PINs", spent, len(e.wrong))
	case e.soft.RetriesLeft() == 0 && !e.consent:
		violation("the last try was spent without consent")
	case e.neighbor.Spent() > 0:
		violation("the neighbor received a PIN")
	case e.token.PINs() > e.onToken:
		violation("the other card received %d PINs, the user entered %d for it", e.token.PINs(), e.onToken)
	case e.soft.Verified() || e.token.Verified():
		violation("the PIN was left verified")
	}
	return violations
}

func isExpected(err error) bool {
	var status card.Status
	return errors.As(err, &status) || errors.Is(err, errGaveUp)
}

// TestExplorePIN runs every sequence of PINs entered, with every mishap at every
// command, on cards with unusual PINs: one that never reports a verified PIN, one that
// forgets it at SELECT, and one with both habits. None has a discovery object.
func TestExplorePIN(t *testing.T) {
	for _, model := range []string{"yubikey-neo", "cac-piv-dual", "pivkey"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			total := 0
			all := []bounds{{1, 1, 1}, {2, 1, 1}, {2, 4, 0}}
			if racing {
				all = []bounds{{2, 4, 0}, {1, 0, 1}}
			}
			for _, b := range all {
				var c choices.Choices
				for more := true; more; more = c.Next() {
					total++
					if violations := explore(t, &c, model, b); len(violations) > 0 {
						require.Fail(t, "violation", "%q\n%+v, choices %v", violations, b, &c)
					}
				}
			}
			fmt.Printf("PIN exploration, %s: %d runs, 0 violations\n", model, total)
			assert.Greater(t, total, 50)
		})
	}
}
