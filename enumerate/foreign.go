package enumerate

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/smartlogon/smartlogon/upn"
)

// New makes a credential of a certificate whose key is somewhere else: opened by
// another library (package pivgo), in a file, in a store of the platform. It is
// judged as a certificate file is, under the policy of Windows as installed and
// now; [Credential.Check] judges anew. Reader, Application and Container are the
// caller's to fill in.
//
// Key is called by [Credential.Unlock]. What it returns signs, and may be a
// [crypto.Decrypter], have the method ECDH of [ecdh.PrivateKey], and be an
// [io.Closer]. Its signatures are checked as all others are: a key that does not
// belong to the certificate gives [piv.ErrMismatch].
func New(der []byte, key func(context.Context, card.PINFunc) (crypto.Signer, error)) *Credential {
	c := &Credential{
		check:    true,
		Raw:      der,
		Names:    upn.Read(der),
		Findings: rules.Check(der, rules.KeySpec{}, rules.Policy{}, time.Now()),
	}
	c.open = func(ctx context.Context, public crypto.PublicKey, ask card.PINFunc) (crypto.Signer, error) {
		signer, err := key(ctx, ask)
		if err != nil {
			return nil, err
		}
		own, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !own.Equal(public) {
			if c, ok := signer.(io.Closer); ok {
				c.Close() // what it says makes no difference any more
			}
			return nil, fmt.Errorf("%w: it was opened with another", piv.ErrMismatch)
		}
		return signer, nil
	}
	return c
}
