package cardtest

import (
	"crypto/sha256"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Fault is something that goes wrong at one command. The zero value is no
// fault.
type Fault struct {
	When When
	What Mishap

	// Status is the status word of WrongStatus, 0 for 6F00.
	Status uint16

	// Card is the one that Replacement puts in place of the other.
	Card *Card

	// Delay passes before anything else happens.
	Delay time.Duration

	// Times is for how many commands in a row it goes wrong: 0 for one, less
	// for all.
	Times int
}

// When says when something goes wrong.
type When int

const (
	// Instead: the card does not see the command.
	Instead When = iota
	// Before: it goes wrong, and the command is sent all the same.
	Before
	// After: the card has done what the command says.
	After
)

// A Mishap is what goes wrong.
type Mishap int

// What can happen to the card and to the service. The error is the one that
// PC/SC has for it.
const (
	Removal     Mishap = iota + 1 // somebody takes the card out
	OtherReset                    // another program resets it
	ServiceStop                   // the service ends; Readers.Start brings it back
	Replacement                   // a token is exchanged for one of the same model; see Readers.Replace
)

// What can happen to the answer. It happens instead of the command or after it;
// before is the same as instead.
const (
	WrongStatus Mishap = iota + 100 // the card refuses the command, with Fault.Status
	Empty                           // the answer has no byte, as when a card is pulled under vpcd
	Truncated                       // half of the answer is missing; the card did the command
	Garbage                         // random data, and 9000
	MoreData                        // 16 random bytes and 6110: there is more to fetch
	WrongLe                         // 6CXX: repeat with another Le, which is another each time
	NoResponse                      // PC/SC's error for a card that did not answer
	Busy                            // PC/SC's error for a card that another program holds
)

// Fault makes something go wrong in a reader: at the n-th command from now on, 1
// being the next. Faults add up; at one command the first one that was asked
// for happens. The zero Fault calls off all that have not happened yet.
func (r *Readers) Fault(reader string, n int, f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f == (Fault{}) {
		delete(r.faults, reader)
		return
	}
	if (f.What == Replacement) != (f.Card != nil) {
		panic("cardtest: a fault has a Card if it is a Replacement, and only then")
	}
	r.faults[reader] = append(r.faults[reader], &pendingFault{Fault: f, in: n, left: max(f.Times, 1), forever: f.Times < 0})
}

// A pendingFault counts the commands down.
type pendingFault struct {
	Fault
	in      int // commands until it happens, it included
	left    int // commands that it happens to
	forever bool
}

// due counts one command and reports whether it goes wrong.
func (f *pendingFault) due() bool {
	if f.in > 1 {
		f.in--
		return false
	}
	if f.forever {
		return true
	}
	f.left--
	return f.left >= 0
}

// nextFault is called under the mutex.
func (r *Readers) nextFault(reader string) (Fault, bool) {
	var f Fault
	found := false
	for _, p := range r.faults[reader] {
		if p.due() && !found {
			f, found = p.Fault, true
		}
	}
	return f, found
}

// fail does one command as f says.
func (r *Readers) fail(f Fault, reader string, command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
	if f.Delay > 0 {
		late := time.NewTimer(f.Delay)
		select {
		case <-late.C:
		case <-r.closed:
			late.Stop()
		}
	}
	if f.What == 0 {
		return send(command)
	}
	if f.What >= WrongStatus {
		return f.answer(command, send)
	}
	var answer []byte
	var err error
	if f.When == After {
		answer, err = send(command)
	}
	switch f.What {
	case Removal:
		_ = r.set.Remove(reader) // a reader that is gone has no card either
	case OtherReset:
		_ = r.set.Reset(reader) // nor one to reset
	case ServiceStop:
		r.set.Stop()
	case Replacement:
		_ = r.set.Replace(reader, f.Card.chip) // nor one to replace
	}
	if f.When == Before {
		answer, err = send(command)
	}
	return answer, err
}

// answer makes the answer that the program gets.
func (f Fault) answer(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
	var real []byte
	if f.When == After || f.What == Truncated {
		var err error
		if real, err = send(command); err != nil {
			return nil, err
		}
	}
	random := sha256.Sum256(command)
	switch f.What {
	case WrongStatus:
		sw := f.Status
		if sw == 0 {
			sw = 0x6F00
		}
		return []byte{byte(sw >> 8), byte(sw)}, nil
	case Truncated:
		return real[:len(real)/2], nil
	case Garbage:
		return append(random[:], 0x90, 0x00), nil
	case MoreData:
		return append(random[:16:16], 0x61, 0x10), nil
	case WrongLe:
		// Never the Le of the command, so that whoever obeys does it for ever.
		le := command[len(command)-1] + 1
		return []byte{0x6C, le}, nil
	case NoResponse:
		return nil, driver.NotTransacted
	case Busy:
		return nil, driver.SharingViolation
	}
	return nil, nil // Empty
}
