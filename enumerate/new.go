package enumerate

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
)

// New returns a credential for a certificate whose key this package does not open:
// one that another library opened (package pivgo), or a key in a file or in a store
// of the platform. Findings are for the zero [rules.Policy] and the current time;
// [Credential.Check] judges again. The caller may set Reader, Application and
// Container.
//
// [Credential.Unlock] calls key. The signer may also be a [crypto.Decrypter], have
// the method ECDH of [ecdh.PrivateKey], and be an [io.Closer]. Its signatures are
// verified: a key that does not belong to the certificate fails with [ErrMismatch].
// A nil key makes Unlock fail with [errors.ErrUnsupported].
func New(der []byte, key func(context.Context, card.PINFunc) (crypto.Signer, error)) *Credential {
	c := &Credential{Raw: der, certificate: rules.Inspect(der), key: key}
	c.Names = c.certificate.Names()
	c.Findings = c.certificate.Check(c.KeySpec, c.policy, time.Now())
	return c
}

// openWithKey opens the key of a credential that is not on a card.
func (c *Credential) openWithKey(ctx context.Context, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	if c.key == nil {
		return nil, errNoCard
	}
	signer, err := c.key(ctx, ask)
	if err != nil {
		return nil, err
	}
	closer, ok := signer.(io.Closer)
	if !ok {
		closer = io.NopCloser(nil)
	}
	of, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !of.Equal(public) {
		closer.Close() // the mismatch is the error to report
		return nil, fmt.Errorf("%w: another key was opened", ErrMismatch)
	}
	return &Key{credential: c, signer: signer, verify: true, hold: &keyHold{close: closer.Close}}, nil
}
