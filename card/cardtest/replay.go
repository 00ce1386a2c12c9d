package cardtest

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"sync"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// A replay is a card that repeats recorded responses.
type replay struct {
	atr       []byte
	exchanges []recordedExchange
	counts    *counter

	mu      sync.Mutex // guards what follows
	next    int        // the exchange after the last one
	waiting []byte     // data and status of a recorded response that was too long for the command
	count   iso.Count
}

// A recordedExchange is one line of a transcript.
type recordedExchange struct {
	command iso.Command
	// open says that the rest of the data is not known.
	open     bool
	response []byte // with the status word; nil if there was none
}

// ATR implements the card of a reader.
func (r *replay) ATR() []byte { return slices.Clone(r.atr) }

// Reset implements the card of a reader. The record goes on: the card was reset in it,
// too.
func (r *replay) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = nil
	r.count.Resets++
}

// Count implements chip.
func (r *replay) Count() iso.Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Transmit implements the card of a reader.
func (r *replay) Transmit(command []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	response := r.respond(command)
	r.count.Exchanges++
	r.count.Received += len(command)
	r.count.Sent += len(response)
	return response
}

const insGetMore = 0xC0

// respond returns the response of the first exchange with the command after the last
// one, or else of the first in the record.
func (r *replay) respond(b []byte) []byte {
	command, ok := iso.ParseCommand(b)
	if !ok {
		return statusBytes(iso.WrongLength)
	}
	if command.INS == insGetMore && len(r.waiting) > 0 {
		return r.split(r.waiting, command)
	}
	r.waiting = nil
	r.counts.note(command)
	n := len(r.exchanges)
	for i := range n {
		at := (r.next + i) % n
		if e := r.exchanges[at]; e.matches(command) {
			r.next = at + 1
			return r.split(e.response, command)
		}
	}
	return statusBytes(r.unrecorded(command))
}

// split returns as much of a response as the command accepts.
func (r *replay) split(response []byte, command iso.Command) []byte {
	most := 256
	if command.Extended {
		most = 1 << 16
	}
	n := len(response) - 2
	if n <= most {
		r.waiting = nil
		return slices.Clone(response)
	}
	r.waiting = response[most:]
	more := min(len(r.waiting)-2, 0xFF)
	return append(slices.Clone(response[:most]), 0x61, byte(more))
}

// matches reports whether the exchange was one with the command, whatever Le was.
func (e recordedExchange) matches(c iso.Command) bool {
	r := e.command
	if r.CLA != c.CLA || r.INS != c.INS || r.P1 != c.P1 || r.P2 != c.P2 {
		return false
	}
	if e.open {
		return len(c.Data) > len(r.Data) && bytes.HasPrefix(c.Data, r.Data)
	}
	return bytes.Equal(r.Data, c.Data)
}

// unrecorded returns the status word of a command that is not in the record.
func (r *replay) unrecorded(c iso.Command) iso.Status {
	seen := slices.ContainsFunc(r.exchanges, func(e recordedExchange) bool { return e.command.INS == c.INS })
	switch {
	case c.INS == insSelect, c.INS == insGetData && seen:
		return iso.NotFound
	case seen:
		return iso.ConditionsNotSatisfied
	}
	return iso.UnknownInstruction
}

func statusBytes(s iso.Status) []byte { return []byte{byte(s >> 8), byte(s)} }

// A replayedApplication stands for what a record does not tell of.
type replayedApplication struct{}

func (replayedApplication) AID() []byte                      { return nil }
func (replayedApplication) Select(iso.Command) iso.Response  { return iso.NotFound.Response() }
func (replayedApplication) Process(iso.Command) iso.Response { return iso.NotFound.Response() }
func (replayedApplication) Chains(byte) bool                 { return false }
func (replayedApplication) Deselect()                        {}
func (replayedApplication) Reset()                           {}

func (replayedApplication) put(string, crypto.PrivateKey, []byte) error {
	return errors.New("the card only repeats what was recorded")
}

func (replayedApplication) pinState() (left, spent int, verified bool) { return 0, 0, false }
