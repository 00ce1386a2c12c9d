package iso

import (
	"crypto/subtle"
	"slices"
)

// A Reference is a PIN or PUK with its retry counter: the reference data of
// VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER (ISO/IEC 7816-4).
type Reference struct {
	Value    []byte // nil until it is set
	Limit    int    // retries left after a successful comparison
	Left     int    // retries left; 0 blocks the reference
	Sent     int    // comparisons so far
	Spent    int    // failed comparisons so far
	Verified bool
}

// Compare compares a value with the reference and updates the retry counter. A
// failed comparison clears Verified; a successful one leaves it to the caller.
// Compare must not be called for a blocked reference.
func (r *Reference) Compare(value []byte) bool {
	r.Sent++
	if !r.Matches(value) {
		r.Verified = false
		r.Left--
		r.Spent++
		return false
	}
	r.Left = r.Limit
	return true
}

// Matches compares a value with the reference without counting.
func (r *Reference) Matches(value []byte) bool {
	return subtle.ConstantTimeCompare(r.Value, value) == 1
}

// Set replaces the value and resets the retry counter.
func (r *Reference) Set(value []byte) {
	r.Value = slices.Clone(value)
	r.Left = r.Limit
}
