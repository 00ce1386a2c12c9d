package cardtest

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Fault is what goes wrong at a command. The zero value is no fault.
type Fault struct {
	When When
	What Mishap

	// Status is the status word of WrongStatus. 0 is 6F00.
	Status uint16

	// Card takes the place of the current card in a Replacement.
	Card *Card

	// Delay is waited for before anything else.
	Delay time.Duration

	// Times is the number of consecutive commands with the fault. 0 is one, a
	// negative number is all.
	Times int
}

// When is the moment of a Fault.
type When int

const (
	// Instead keeps the command from the card.
	Instead When = iota
	// Before happens before the command is sent.
	Before
	// After happens after the card has performed the command.
	After
)

// A Mishap is a kind of [Fault].
type Mishap int

// Mishaps of the reader and the service. The program gets the error that PC/SC has
// for it.
const (
	Removal     Mishap = iota + 1 // the card is removed
	OtherReset                    // another program resets the card
	ServiceStop                   // the service stops; Readers.Start starts it again
	Replacement                   // a token is exchanged for Fault.Card; see Readers.Replace
)

// Mishaps of the response. They happen instead of the command or after it; Before is
// the same as Instead.
const (
	WrongStatus Mishap = iota + 100 // the status word is Fault.Status
	Empty                           // the response has no byte, as after a removal under vpcd
	Truncated                       // half of the response is missing; the command is always performed
	Garbage                         // random data and 9000
	MoreData                        // 16 random bytes and 6110: more data to fetch
	WrongLe                         // 6CXX: repeat with another Le, which is never that of the command
	NoResponse                      // PC/SC's error for a card that does not respond
	Busy                            // PC/SC's error for a card that another program holds
)

// Fault makes the n-th command from now on go wrong in a reader; 1 is the next one.
// Faults add up; of several at one command the first that was set happens. A zero
// Fault cancels those that have not happened yet. Fault panics if there is no such
// reader, if f is a Replacement without a Card, and if it has a Card and is not a
// Replacement.
func (r *Readers) Fault(reader string, n int, f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f == (Fault{}) {
		delete(r.faults, reader)
		return
	}
	if !slices.Contains(r.names, reader) {
		must(reader, driver.UnknownReader)
	}
	if (f.What == Replacement) != (f.Card != nil) {
		panic("cardtest: a fault has a Card if it is a Replacement, and only then")
	}
	r.faults[reader] = append(r.faults[reader], &pendingFault{Fault: f, in: n, left: max(f.Times, 1), always: f.Times < 0})
}

// A pendingFault counts commands.
type pendingFault struct {
	Fault
	in     int // commands until the first with the fault, that one included
	left   int // commands with the fault
	always bool
}

// due counts one command and reports whether it has the fault.
func (f *pendingFault) due() bool {
	if f.in > 1 {
		f.in--
		return false
	}
	if f.always {
		return true
	}
	f.left--
	return f.left >= 0
}

// nextFault counts one command of a reader and returns its fault. The caller holds
// the mutex.
func (r *Readers) nextFault(reader string) (fault Fault, ok bool) {
	for _, p := range r.faults[reader] {
		if p.due() && !ok {
			fault, ok = p.Fault, true
		}
	}
	return fault, ok
}

// fail performs one exchange with a fault.
func (r *Readers) fail(f Fault, reader string, command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		select {
		case <-timer.C:
		case <-r.closed:
			timer.Stop()
		}
	}
	if f.What == 0 {
		return send(command)
	}
	if f.What >= WrongStatus {
		return f.response(command, send)
	}
	var response []byte
	var err error
	if f.When == After {
		response, err = send(command)
	}
	// An earlier fault or the test may have removed the card or the reader; then
	// these fail, and the exchange fails anyway.
	switch f.What {
	case Removal:
		_ = r.set.Remove(reader)
	case OtherReset:
		_ = r.set.Reset(reader)
	case ServiceStop:
		r.set.Stop()
	case Replacement:
		_ = r.set.Replace(reader, f.Card.chip)
	}
	if f.When == Before {
		response, err = send(command)
	}
	return response, err
}

// response returns the response of a mishap of the response.
func (f Fault) response(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
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
		return []byte{0x6C, command[len(command)-1] + 1}, nil
	case NoResponse:
		return nil, driver.NotTransacted
	case Busy:
		return nil, driver.SharingViolation
	}
	return nil, nil // Empty
}
