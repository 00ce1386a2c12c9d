// Package remedy makes errors that say what a person can do about them, for
// card.Hint.
package remedy

// New makes an error. Each is one of its own, even with the same text.
func New(text, hint string) error { return &remedy{text, hint} }

type remedy struct{ text, hint string }

func (r *remedy) Error() string { return r.text }
func (r *remedy) Hint() string  { return r.hint }
