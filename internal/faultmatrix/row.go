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

	// New makes the card, the first of the list. If it has more than one
	// application, the others give access to the rest of them.
	New func() []*cardtest.Card

	// Containers are the contents of the card, in any order.
	Containers []Container

	// More are operations for this row only.
	More []Operation
}

// UPN is the user name in the certificates.
const UPN = "alice@example.com"

// A Container is a key with its certificate on a card.
type Container struct {
	Name        string
	Certificate []byte
	Signs       bool // the key signs; else it decrypts
	NoPIN       bool // the key needs no PIN
}

// An Operation is what a program does with a card.
type Operation struct {
	Name string

	// WrongPIN makes the user enter a wrong PIN.
	WrongPIN bool

	// Writes allows commands that change the card.
	Writes bool

	// Prepare, if not nil, runs before Run, without a fault.
	Prepare func(context.Context, *Program) error

	// Run performs the operation. It returns a [WrongResult] if the result is
	// wrong.
	Run func(context.Context, *Program) error
}

// A Program is the state of a program during an operation.
type Program struct {
	Row    Card
	Soft   []*cardtest.Card // for inspection; the program uses Finder
	Reader string
	Finder *enumerate.Finder
	Key    *enumerate.Key // the unlocked key, closed after the operation

	PIN     string // entered by the user
	prompts int    // how often the user entered it

	credential *enumerate.Credential // found by Prepare
	fault      Fault                 // that happens during Run; zero for none
}

// Ask is a [card.PINFunc] that returns PIN. It gives up if a PIN was refused.
func (p *Program) Ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	if r.Refused != nil {
		return card.PIN{}, r.Refused
	}
	p.prompts++
	return card.NewPIN([]byte(p.PIN)), nil
}

// A WrongResult is the error of an operation that returned a wrong result.
type WrongResult struct{ What string }

func (w WrongResult) Error() string { return "wrong result: " + w.What }
