package faultmatrix

import (
	"fmt"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

// A Fault is what goes wrong at one command.
type Fault struct {
	Name string
	cardtest.Fault

	// Cancel ends the context of the operation while the command is under way;
	// nothing else is wrong.
	Cancel bool
}

// hides reports whether the card says by the fault that something is not there.
// Who believes it is right to do so.
func (f Fault) hides() bool { return f.What == cardtest.WrongStatus && f.Status == 0x6A82 }

// Faults are all there are.
func Faults() []Fault {
	list := []Fault{{Name: "the context ends", Cancel: true}}
	add := func(name string, f cardtest.Fault, when ...cardtest.When) {
		for _, w := range when {
			f.When = w
			list = append(list, Fault{Name: name + " " + whenText[w], Fault: f})
		}
	}
	for _, m := range []struct {
		name string
		what cardtest.Mishap
	}{
		{"the card is removed", cardtest.Removal},
		{"another program resets the card", cardtest.OtherReset},
		{"the service stops", cardtest.ServiceStop},
	} {
		add(m.name, cardtest.Fault{What: m.what}, cardtest.Instead, cardtest.Before, cardtest.After)
	}
	for _, sw := range []uint16{0x6700, 0x6982, 0x6983, 0x6A82, 0x6D00, 0x6F00} {
		add(fmt.Sprintf("the card answers %04X", sw), cardtest.Fault{What: cardtest.WrongStatus, Status: sw}, cardtest.Instead, cardtest.After)
	}
	for _, m := range []struct {
		name string
		what cardtest.Mishap
	}{
		{"no byte comes", cardtest.Empty},
		{"garbage comes", cardtest.Garbage},
		{"garbage comes, and there is more", cardtest.MoreData},
		{"the card wants another Le", cardtest.WrongLe},
		{"the reader says that no answer came", cardtest.NoResponse},
		{"the reader says that the card is busy", cardtest.Busy},
	} {
		add(m.name, cardtest.Fault{What: m.what}, cardtest.Instead, cardtest.After)
	}
	add("half of the answer comes", cardtest.Fault{What: cardtest.Truncated}, cardtest.After)
	return list
}

var whenText = map[cardtest.When]string{
	cardtest.Instead: "instead of the command",
	cardtest.Before:  "before the command",
	cardtest.After:   "after the command",
}
