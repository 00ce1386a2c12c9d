package enumerate

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/piv"
)

// readPIV hands over the certificates of the PIV application. It reports whether
// the card has one, why that is in doubt, and whether other questions make sense.
func (f *Finder) readPIV(ctx context.Context, c *card.Card, hand func(*Credential, error) bool) (has bool, doubt error, goOn bool) {
	has, goOn = true, true
	p, own, first := piv.New(c), new(cardKey), true
	for cert, err := range p.Certificates(ctx, f.Scan) {
		switch {
		case errors.Is(err, piv.ErrNotPIV):
			has, doubt = false, doubtOf(err)
		case err != nil:
			goOn = hand(nil, err)
		default:
			if cert.Slot == piv.CardAuthentication {
				own.set(cert.Raw)
			}
			hand(f.pivCredential(c, p, cert, first, own), nil)
			first = false
		}
		if !goOn {
			break
		}
	}
	return has, doubt, goOn && ctx.Err() == nil
}

// pivCredential judges and names a certificate of a PIV card.
func (f *Finder) pivCredential(c *card.Card, p *piv.Card, found *piv.Certificate, first bool, own *cardKey) *Credential {
	container := fmt.Sprintf("%02X", byte(found.Slot))
	spec := rules.KeySpec{Kind: rules.KeyExchange, Assumed: "PIV slot " + container}
	if found.Slot == piv.Signature {
		spec.Kind = rules.Signature
	}
	it := f.judged(c, found.Raw, spec)
	it.Application = PIV
	it.Container = container
	it.Default = first
	it.holder = pivHolder{p}
	it.open = func(ctx context.Context, public crypto.PublicKey, ask card.PINFunc) (crypto.Signer, error) {
		if f.Prove {
			if err := own.proved(ctx, p); err != nil {
				return nil, err
			}
		}
		return openPIV(ctx, p, found, public, ask)
	}
	return it
}

// openPIV opens a key whose slot still holds the certificate that was found.
func openPIV(ctx context.Context, p *piv.Card, found *piv.Certificate, public crypto.PublicKey, ask card.PINFunc) (crypto.Signer, error) {
	now, err := p.Certificate(ctx, found.Slot)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(now.Raw, found.Raw) {
		return nil, fmt.Errorf("%w: it holds another certificate now", card.ErrChanged)
	}
	key, err := p.Key(ctx, found.Slot, public, ask)
	if err != nil {
		return nil, err // a nil *piv.Key is no nil Signer
	}
	return key, nil
}
