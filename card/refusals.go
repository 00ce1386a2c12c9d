package card

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// refusals remembers which PINs cards refused, without keeping the PINs: a hash
// under a key of this process, which says nothing to anybody else.
type refusals struct {
	mu      sync.Mutex
	key     []byte
	refused map[refusal]bool
	// unanswered has PINs to which no answer came, with the tries that were
	// left before: fewer tries afterwards mean that the card refused it.
	unanswered map[refusal]int
}

// A refusal names a PIN, and one reference of one card. The zero value names
// none, and nothing is remembered of it.
type refusal [sha256.Size]byte

func (r *refusals) of(identity string, ref Reference, pin []byte) refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.key == nil {
		r.key = make([]byte, sha256.Size)
		rand.Read(r.key) // never fails
		r.refused = make(map[refusal]bool)
		r.unanswered = make(map[refusal]int)
	}
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte{byte(len(identity) >> 8), byte(len(identity)), byte(ref)})
	mac.Write([]byte(identity))
	mac.Write(pin)
	return refusal(mac.Sum(nil))
}

func (r *refusals) add(it refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if it != (refusal{}) {
		r.refused[it] = true
	}
	delete(r.unanswered, it)
}

// lost remembers a PIN whose answer did not come.
func (r *refusals) lost(it refusal, before PINStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if it != (refusal{}) {
		r.unanswered[it] = before.Retries
	}
}

// has reports whether the card refused the PIN, now that its status is known.
func (r *refusals) has(it refusal, now PINStatus) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, pending := r.unanswered[it]
	delete(r.unanswered, it)
	if pending && !now.Verified && now.Retries >= 0 && now.Retries < before {
		r.refused[it] = true
	}
	return r.refused[it]
}

// taken forgets that no answer came: one did, and the card did not refuse.
func (r *refusals) taken(it refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.unanswered, it)
}

// forget is for a PIN that was set, and so may be right now.
func (r *refusals) forget(it refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.refused, it)
	delete(r.unanswered, it)
}
