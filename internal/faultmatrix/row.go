package faultmatrix

import (
	"context"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
)

// A Card is a row of the matrix.
type Card struct {
	Name string

	// New makes the card. Holders sign in with a certificate that names UPN. If
	// it has more than one application, the others are what the rest of the
	// list tells about.
	New func() []*cardtest.Card

	// Containers are what is on it, in any order; the keys are known to the
	// test, so that it can tell right from wrong.
	Containers []Container

	// More are operations of this kind of card alone.
	More []Operation
}

// UPN is whom the certificates name.
const UPN = "alice@example.com"

// A Container is a key with its certificate on a card.
type Container struct {
	Name        string
	Certificate []byte
	Signs       bool // else it decrypts
	Free        bool // no PIN is needed
}

// An Operation is something that a program does with a card.
type Operation struct {
	Name string

	// Wrong is set where the program is given a wrong PIN.
	Wrong bool

	// Writes is set where the operation may change the card.
	Writes bool

	// Prepare, if there is one, comes first, with nothing wrong.
	Prepare func(context.Context, *Program) error

	// Run does it. The error is a [WrongResult] where the result is not what
	// it should be.
	Run func(context.Context, *Program) error
}

// A Program is a program that uses the card, in the middle of an operation.
type Program struct {
	Row    Card
	Soft   []*cardtest.Card // to look at; the program itself uses Finder
	Reader string
	Finder *enumerate.Finder
	Key    *enumerate.Key // that Prepare unlocked; closed at the end

	PIN   string // that people type
	asked int    // how often

	credential *enumerate.Credential // that Prepare found
	container  Container
	fault      Fault // that happens meanwhile, zero if none does
}

// Ask is the program's way to ask for the PIN.
func (p *Program) Ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	if r.Refused != nil {
		return card.PIN{}, r.Refused
	}
	p.asked++
	return card.NewPIN([]byte(p.PIN)), nil
}

// A WrongResult is what must never come out of anything.
type WrongResult struct{ What string }

func (w WrongResult) Error() string { return "WRONG RESULT: " + w.What }
