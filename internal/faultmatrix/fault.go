package faultmatrix

import (
	"fmt"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

// A Fault happens at one command.
type Fault struct {
	Name string
	cardtest.Fault

	// Cancel cancels the context of the operation during the command. There is
	// no other fault then.
	Cancel bool
}

// hidesObject reports whether the fault is a response that an object is missing,
// so an incomplete list without an error is right.
func (f Fault) hidesObject() bool { return f.What == cardtest.WrongStatus && f.Status == 0x6A82 }

// hidesApplication reports whether the fault is a response that an application is
// missing, as some Java Cards give it, so a list without that application, and without
// an error, is right.
func (f Fault) hidesApplication() bool { return f.What == cardtest.WrongStatus && f.Status == 0x6D00 }

// Faults returns all faults.
func Faults() []Fault {
	list := []Fault{{Name: "context canceled", Cancel: true}}
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
		{"card removed", cardtest.Removal},
		{"card reset by another program", cardtest.OtherReset},
		{"service stopped", cardtest.ServiceStop},
		{"card exchanged for a token of the same model", cardtest.Replacement},
	} {
		add(m.name, cardtest.Fault{What: m.what}, cardtest.Instead, cardtest.Before, cardtest.After)
	}
	for _, sw := range []uint16{0x6700, 0x6982, 0x6983, 0x6A82, 0x6D00, 0x6F00} {
		add(fmt.Sprintf("status %04X", sw), cardtest.Fault{What: cardtest.WrongStatus, Status: sw}, cardtest.Instead, cardtest.After)
	}
	for _, m := range []struct {
		name string
		what cardtest.Mishap
	}{
		{"empty response", cardtest.Empty},
		{"random response", cardtest.Garbage},
		{"random response with 61xx", cardtest.MoreData},
		{"6Cxx for another Le", cardtest.WrongLe},
		{"no response", cardtest.NoResponse},
	} {
		add(m.name, cardtest.Fault{What: m.what}, cardtest.Instead, cardtest.After)
	}
	// The service refuses a command while another program holds the card, and
	// libpcsclite sends it again: it has not reached the card.
	add("card in use", cardtest.Fault{What: cardtest.Busy}, cardtest.Instead)
	add("truncated response", cardtest.Fault{What: cardtest.Truncated}, cardtest.After)
	return list
}

var whenText = map[cardtest.When]string{
	cardtest.Instead: "instead of the command",
	cardtest.Before:  "before the command",
	cardtest.After:   "after the command",
}
