package enumerate

import (
	"context"
	"crypto"
	"errors"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/gids"
)

// readGIDS hands over the certificates of the GIDS application. It reports whether
// the card has one, why that is in doubt, and whether other questions make sense.
func (f *Finder) readGIDS(ctx context.Context, c *card.Card, g *gids.Card, hand func(*Credential, error) bool) (has bool, doubt error, goOn bool) {
	has, goOn = true, true
	for cert, err := range g.Certificates(ctx) {
		switch {
		case errors.Is(err, gids.ErrNotGIDS):
			has, doubt = false, doubtOf(err)
		case err != nil:
			goOn = hand(nil, err)
		default:
			hand(f.gidsCredential(c, g, cert), nil)
		}
		if !goOn {
			break
		}
	}
	return has, doubt, goOn && ctx.Err() == nil
}

// gidsCredential judges and names a certificate of a GIDS card.
func (f *Finder) gidsCredential(c *card.Card, g *gids.Card, found *gids.Certificate) *Credential {
	spec := rules.KeySpec{Kind: rules.KeyExchange}
	if found.Signature {
		spec.Kind = rules.Signature
	}
	it := f.judged(c, found.Raw, spec)
	it.Application = GIDS
	it.Container = found.File
	it.Name = found.Container.Name
	it.Default = found.Container.Default
	it.holder = g
	it.open = func(ctx context.Context, public crypto.PublicKey, ask card.PINFunc) (crypto.Signer, error) {
		if err := g.Holds(ctx, found); err != nil {
			return nil, err
		}
		key, err := g.Key(ctx, found, public, ask)
		if err != nil {
			return nil, err // a nil *gids.Key is no nil Signer
		}
		return key, nil
	}
	return it
}
