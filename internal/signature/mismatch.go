package signature

import "github.com/smartlogon/smartlogon/internal/fault"

// ErrMismatch reports a private key that does not belong to the expected public
// key. It is one value for every package that checks signatures.
var ErrMismatch = fault.New(fault.Object,
	"key does not match the public key of the certificate",
	"Have the certificate reissued for this key: the two do not belong together.",
)
