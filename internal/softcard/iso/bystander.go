package iso

import (
	"bytes"
	"slices"
	"sync"
)

// A Bystander is an application that has nothing but a PIN, under the
// instruction and the reference that PIV and GIDS use too. It is there to be
// hurt: whoever sends a PIN without knowing which application is current
// spends a try here. It is safe for concurrent use.
type Bystander struct {
	aid, pin []byte

	mu       sync.Mutex // guards what follows
	left     int
	spent    int
	verified bool
}

// NewBystander makes an application with that identifier and PIN, three tries
// left.
func NewBystander(aid, pin []byte) *Bystander {
	return &Bystander{aid: slices.Clone(aid), pin: slices.Clone(pin), left: bystanderTries}
}

const bystanderTries = 3

// Tries says how many tries are left and how many were spent so far.
func (b *Bystander) Tries() (left, spent int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left, b.spent
}

// AID implements [Application].
func (b *Bystander) AID() []byte { return b.aid }

// Select implements [Application]: a file control template with the name.
func (b *Bystander) Select(Command) Answer {
	name := append([]byte{0x84, byte(len(b.aid))}, b.aid...)
	return Data(append([]byte{0x6F, byte(len(name))}, name...))
}

// Process implements [Application]. It knows VERIFY with the reference 80.
func (b *Bystander) Process(c Command) Answer {
	if c.INS != 0x20 {
		return UnknownInstruction.Answer()
	}
	if c.P1 != 0x00 || c.P2 != 0x80 {
		return BadParameters.Answer()
	}
	return b.verify(c.Data).Answer()
}

func (b *Bystander) verify(pin []byte) Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(pin) == 0 && b.verified:
		return OK
	case b.left == 0:
		return Blocked
	case len(pin) == 0:
		return Retries(b.left)
	case bytes.Equal(pin, b.pin):
		b.verified, b.left = true, bystanderTries
		return OK
	}
	b.verified = false
	b.left--
	b.spent++
	return Retries(b.left)
}

// Chains implements [Application].
func (b *Bystander) Chains(byte) bool { return false }

// Deselect implements [Application].
func (b *Bystander) Deselect() { b.Reset() }

// Reset implements [Application].
func (b *Bystander) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.verified = false
}
