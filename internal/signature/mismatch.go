package signature

// ErrMismatch says that a key is not the one of the public key that it was opened
// with. It is one value for all card applications.
var ErrMismatch error = mismatch{}

type mismatch struct{}

func (mismatch) Error() string {
	return "key on the card does not belong to the public key of the certificate"
}

// Hint is a remedy, for card.Hint.
func (mismatch) Hint() string {
	return "Have the certificate of the card renewed, or its key replaced: they do not belong together."
}
