package card

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// refusals remembers which PINs cards refused. It stores no PIN, only its hash with
// a random key of this process.
type refusals struct {
	mu      sync.Mutex
	key     []byte
	refused map[refusal]bool
	unclear map[refusal]unclear
	retries map[pinID]int // left after the last refusal, for correct; negative if not known
}

// A refusal is the hash of a PIN of one reference of one card. The zero value is no
// PIN and is not remembered.
type refusal [sha256.Size]byte

// unclear is a PIN that was sent and neither refused nor accepted: the response was
// lost, or was about something else. A lower counter afterwards means that the PIN
// was wrong.
type unclear struct {
	id     pinID
	before int // retries left; negative if not known
}

// of returns the hash of a PIN.
func (r *refusals) of(id pinID, pin []byte) refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.key == nil {
		r.key = make([]byte, sha256.Size)
		rand.Read(r.key) // never fails
		r.refused = make(map[refusal]bool)
		r.unclear = make(map[refusal]unclear)
	}
	// The text is padded to whole blocks, which SHA-256 reads where they are. Its
	// buffer for the rest, which would keep a copy of the PIN, stays empty.
	text := make([]byte, 0, 4*sha256.BlockSize+len(id.application)+len(pin))
	text = append(text, r.key...)
	text = append(text, id.card.id[:]...)
	text = binary.BigEndian.AppendUint64(text, id.serial)
	text = append(text, byte(id.reference), byte(len(id.application)), byte(len(pin)))
	text = append(text, id.application...)
	text = append(text, pin...)
	defer clear(text)
	whole := (len(text) + sha256.BlockSize - 1) / sha256.BlockSize * sha256.BlockSize
	return sha256.Sum256(text[:whole])
}

// sent notes a PIN that is about to be sent.
func (r *refusals) sent(pin refusal, id pinID, before PINStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if pin != (refusal{}) {
		r.unclear[pin] = unclear{id, before.Retries}
	}
}

// add notes a PIN that the card refused.
func (r *refusals) add(pin refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.unclear, pin)
	if pin != (refusal{}) {
		r.refused[pin] = true
	}
}

// accepted notes a PIN that the card accepted, or that was set and may be right.
func (r *refusals) accepted(pin refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.unclear, pin)
	delete(r.refused, pin)
}

// resolve decides about the unclear PINs of one reference by its status.
func (r *refusals) resolve(id pinID, now PINStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for pin, u := range r.unclear {
		switch {
		case u.id != id:
		case now.Verified: // by another program, which restored the counter
			delete(r.unclear, pin)
		case now.Retries >= 0:
			delete(r.unclear, pin)
			if now.Retries < u.before {
				r.refused[pin] = true
			}
		}
	}
}

// has reports whether the card refused the PIN, or may have refused it and no longer
// reports its counter.
func (r *refusals) has(pin refusal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	u, unclear := r.unclear[pin]
	return r.refused[pin] || unclear && u.before >= 0
}

// hasAny reports whether the card refused a PIN of a reference, or may have refused
// it, and accepted none since.
func (r *refusals) hasAny(id pinID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, refused := r.retries[id]; refused {
		return true
	}
	for _, u := range r.unclear {
		if u.id == id {
			return true
		}
	}
	return false
}

// setRetries notes the counter that came with a refusal, negative if there was none.
func (r *refusals) setRetries(id pinID, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.retries == nil {
		r.retries = make(map[pinID]int)
	}
	r.retries[id] = n
}

// dropRetries forgets the counter: the PIN was accepted.
func (r *refusals) dropRetries(id pinID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.retries, id)
}

// correct returns the status of a PIN after a refusal. Some cards report a PIN as
// verified, or the counter from before, whatever happened. Verified is then unknown,
// and the lower counter counts. A card that reports its refusal is believed again.
func (r *refusals) correct(id pinID, s PINStatus) PINStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, refused := r.retries[id]
	switch {
	case !refused:
	case s.Verified:
		return PINStatus{Retries: -1}
	case n >= 0 && s.Retries > n:
		s.Retries = n
	case s.Blocked, s.Retries >= 0:
		delete(r.retries, id)
	}
	return s
}
