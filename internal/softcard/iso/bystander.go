package iso

import (
	"bytes"
	"slices"
	"sync"
)

// A Bystander is an application with a PIN and nothing else. It uses the same
// instruction and reference for it as PIV and GIDS, so a program that sends a PIN
// without checking which application is current spends a try of it. It is safe for
// concurrent use.
type Bystander struct {
	aid, pin []byte

	mu       sync.Mutex // guards what follows
	left     int
	spent    int
	verified bool
}

// NewBystander returns an application with that identifier and PIN, three retries
// left.
func NewBystander(aid, pin []byte) *Bystander {
	return &Bystander{aid: slices.Clone(aid), pin: slices.Clone(pin), left: bystanderRetries}
}

const bystanderRetries = 3

// Tries returns the retries left and the number of wrong PINs so far.
func (b *Bystander) Tries() (left, spent int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left, b.spent
}

// AID implements [Application].
func (b *Bystander) AID() []byte { return b.aid }

// Select implements [Application]: it returns a file control template with the
// application identifier.
func (b *Bystander) Select(Command) Response {
	name := append([]byte{0x84, byte(len(b.aid))}, b.aid...)
	return Data(append([]byte{0x6F, byte(len(name))}, name...))
}

// Process implements [Application]: VERIFY with reference 80.
func (b *Bystander) Process(c Command) Response {
	if c.INS != 0x20 {
		return UnknownInstruction.Response()
	}
	if c.P1 != 0x00 || c.P2 != 0x80 {
		return BadParameters.Response()
	}
	return b.verify(c.Data).Response()
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
		b.verified, b.left = true, bystanderRetries
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
