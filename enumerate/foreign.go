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

// New returns a credential for a certificate whose key is somewhere else: opened by
// another library (package pivgo), in a file, in a store of the platform. It is
// judged as a certificate file, under the policy of Windows as installed and now;
// [Credential.Check] judges again. The caller fills in Reader, Application and
// Container.
//
// [Credential.Unlock] calls key. What it returns signs, and may be a
// [crypto.Decrypter], have the method ECDH of [ecdh.PrivateKey], and be an
// [io.Closer]. Its signatures are checked: a key that does not belong to the
// certificate gives [ErrMismatch].
func New(der []byte, key func(context.Context, card.PINFunc) (crypto.Signer, error)) *Credential {
	c := &Credential{Raw: der, certificate: rules.Inspect(der), key: key}
	c.Names = c.certificate.Names()
	c.Findings = c.certificate.Check(c.KeySpec, c.policy, time.Now())
	return c
}

// openForeign opens the key of a credential that is not on a card.
func (c *Credential) openForeign(ctx context.Context, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
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
	return &Key{credential: c, signer: signer, check: true, hold: &keyHold{close: closer.Close}}, nil
}
