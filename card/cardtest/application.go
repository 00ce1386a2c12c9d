package cardtest

import (
	"crypto"
	"errors"
	"slices"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// An Application is a card application that a test implements itself, for [New]. The
// card calls its methods one at a time.
type Application interface {
	// AID returns the application identifier, 5 to 16 bytes.
	AID() []byte

	// Process responds to a command while the application is selected, with the
	// data and the status word. The SELECT that selects it is the first such
	// command. Chained parts are joined, and long responses are split by the
	// card.
	Process(card.Command) ([]byte, card.Status)

	// Reset is called when the card is reset or loses power: the PIN is no
	// longer verified.
	Reset()

	// PIN returns the retry counter of the PIN, the number of wrong PINs
	// received, and whether the PIN is verified.
	PIN() (left, spent int, verified bool)
}

// New returns a card with an application that is none of this package's. [Combine]
// adds it to another card. [Card.Put] panics: the test puts what the application
// needs into it. Options about a PIN have no effect.
func New(app Application, options ...Option) *Card {
	c := config{kind: otherCard}
	for _, o := range options {
		o.apply(&c)
	}
	return newCard(c, &testApplication{app: app}, true)
}

// otherCard is the kind of a card with an application of the test.
const otherCard kind = "other"

// A testApplication makes an Application one of package iso.
type testApplication struct {
	mu  sync.Mutex // the PIN is also read outside of the card's commands
	app Application
}

func (a *testApplication) AID() []byte { return a.app.AID() }

func (a *testApplication) Select(c iso.Command) iso.Response { return a.Process(c) }

func (a *testApplication) Process(c iso.Command) iso.Response {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, status := a.app.Process(card.Command{CLA: c.CLA, INS: c.INS, P1: c.P1, P2: c.P2, Data: slices.Clone(c.Data), Ne: c.Ne})
	return iso.Response{Data: data, Status: iso.Status(status)}
}

func (a *testApplication) Chains(byte) bool { return true }
func (a *testApplication) Deselect()        {}

func (a *testApplication) Reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.app.Reset()
}

func (a *testApplication) put(string, crypto.PrivateKey, []byte) error {
	return errors.New("the application is the test's")
}

func (a *testApplication) pinState() (left, spent int, verified bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.app.PIN()
}
