package card

import "context"

// A PINChange is all that an application says about setting a PIN.
type PINChange struct {
	// Verification is of the secret that allows it: the PIN that is replaced,
	// or one that unblocks it. It is this secret whose tries a wrong answer
	// costs. PIN is asked twice: for the secret, and for the new PIN
	// (PINRequest.New). Always is not used.
	//
	// Where the secret may have more than one length and is not padded, the card
	// cuts it from the new PIN by the length that it knows: it could take part
	// of the one for the other. There the secret is verified first, unless
	// Verify is nil.
	Verification

	// Allow stands for the secret where that is none that a person knows. It
	// runs in the section, with the application selected. Then PIN is asked
	// for the new PIN only, and Replace gets nil for the secret; Verification
	// is of the PIN that is set, which may be blocked. Logout ends what Allow
	// has proved, too.
	Allow func(*Tx) error

	New       Reference // the PIN that is set
	NewFormat PINFormat

	// Replace is the command that carries both, each in its format: CHANGE
	// REFERENCE DATA or RESET RETRY COUNTER (ISO/IEC 7816-4, 11.5.6 and 11.5.10).
	Replace func(secret, pin []byte) Command
}

// ChangePIN sets a PIN. It keeps the promises of [Card.DoWithPIN] for the secret
// that allows it; a new PIN that the card does not like is asked for again, with
// ErrNewPIN as the reason.
func (c *Card) ChangePIN(ctx context.Context, ch PINChange) error {
	g := &guard{card: c, v: ch.Verification, change: &ch}
	return wrap(c.reader, "set the PIN", g.run(ctx, func(*Tx) error { return nil }))
}
