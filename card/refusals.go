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
	unclear map[refusal]unclear
}

// A refusal names a PIN of one reference of one card. The zero value names none,
// and nothing is remembered of it.
type refusal [sha256.Size]byte

// unclear is a PIN that was sent, and of which the card has not said whether it
// is right: the answer was lost, or about something else. Fewer tries afterwards
// mean that it was wrong.
type unclear struct {
	reference string // of the card: see guard.key
	before    int    // tries left; negative where that is not known
}

func (r *refusals) of(identity string, ref Reference, pin []byte) refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.key == nil {
		r.key = make([]byte, sha256.Size)
		rand.Read(r.key) // never fails
		r.refused = make(map[refusal]bool)
		r.unclear = make(map[refusal]unclear)
	}
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte{byte(len(identity) >> 8), byte(len(identity)), byte(ref)})
	mac.Write([]byte(identity))
	mac.Write(pin)
	return refusal(mac.Sum(nil))
}

// sent is for a PIN that is on its way.
func (r *refusals) sent(it refusal, reference string, before PINStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if it != (refusal{}) {
		r.unclear[it] = unclear{reference, before.Retries}
	}
}

// add is for a PIN that the card refused.
func (r *refusals) add(it refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.unclear, it)
	if it != (refusal{}) {
		r.refused[it] = true
	}
}

// taken is for a PIN that the card took, or that was set, and so may be right.
func (r *refusals) taken(it refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.unclear, it)
	delete(r.refused, it)
}

// resolve finds out what became of PINs of a reference, from its status.
func (r *refusals) resolve(reference string, now PINStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for it, u := range r.unclear {
		switch {
		case u.reference != reference:
		case now.Verified: // somebody did, and got all tries back
			delete(r.unclear, it)
		case now.Retries >= 0:
			delete(r.unclear, it)
			if now.Retries < u.before {
				r.refused[it] = true
			}
		}
	}
}

// has reports whether the card refused the PIN, or may have, and does not say any
// more how many tries are left.
func (r *refusals) has(it refusal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	u, unclear := r.unclear[it]
	return r.refused[it] || unclear && u.before >= 0
}
