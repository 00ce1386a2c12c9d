package card

import "context"

// A Change is all that an application says about setting a PIN.
type Change struct {
	// Verification is of the secret that allows it: the PIN that is replaced,
	// or one that unblocks it. It is this secret whose tries a wrong answer
	// costs. Verify and Always are not used. PIN is asked twice: for the
	// secret, and for the new PIN (PINRequest.New).
	Verification

	New       Reference // the PIN that is set
	NewFormat PINFormat

	// Replace is the command that carries both, each in its format: CHANGE
	// REFERENCE DATA or RESET RETRY COUNTER (ISO/IEC 7816-4, 11.5.6 and 11.5.10).
	Replace func(secret, pin []byte) Command
}

// DoChange sets a PIN. It keeps the promises of [Card.DoVerified] for the secret
// that allows it; a new PIN that the card does not like is asked for again, with
// ErrNewPIN as the reason.
func (c *Card) DoChange(ctx context.Context, ch Change) error {
	g := &guard{card: c, v: ch.Verification, change: &ch}
	return wrap(c.reader, "set the PIN", g.run(ctx, func(*Tx) error { return nil }))
}
