package enumerate

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/piv"
)

// A cardKey is the public half of a card's own key, as it was when the card was
// listed. The credentials of the card share it: the key is found after the first.
type cardKey struct {
	mu     sync.Mutex
	public crypto.PublicKey // nil while none was found
}

func (k *cardKey) set(certificate []byte) {
	public, err := cert.PublicKey(certificate)
	if err != nil {
		return // a certificate without a key proves nothing
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.public = public
}

// proved makes sure that the card is the one that was listed, if it has a key to
// show it by.
func (k *cardKey) proved(ctx context.Context, p *piv.Card) error {
	k.mu.Lock()
	public := k.public
	k.mu.Unlock()
	if public == nil {
		return nil
	}
	err := p.Prove(ctx, public)
	if errors.Is(err, piv.ErrMismatch) {
		return fmt.Errorf("%w: it has another key of its own (%w)", card.ErrChanged, err)
	}
	return err
}
