package signature

import "github.com/smartlogon/smartlogon/internal/remedy"

// ErrMismatch says that a key is not the one of the public key that it was opened
// with. It is one value for all card applications.
var ErrMismatch = remedy.New(
	"key on the card does not belong to the public key of the certificate",
	"Have the certificate of the card renewed, or its key replaced: they do not belong together.",
)
