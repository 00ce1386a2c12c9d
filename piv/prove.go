package piv

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
)

// Prove verifies that the card holds the Card Authentication key (9E) of that public
// key, by a signature over random data (SP 800-73-4 part 1, appendix B.1.2). It needs
// no PIN. If the key is another, the error wraps [ErrMismatch].
func (c *Card) Prove(ctx context.Context, public crypto.PublicKey) error {
	key, err := c.Key(ctx, CardAuthentication, public, nil)
	if err != nil {
		return err
	}
	defer key.Close()
	challenge := make([]byte, crypto.SHA256.Size())
	rand.Read(challenge) // never fails
	var opts crypto.SignerOpts = crypto.SHA256
	if _, ok := public.(ed25519.PublicKey); ok {
		opts = crypto.Hash(0)
	}
	if _, err := key.Sign(rand.Reader, challenge, opts); err != nil {
		return fmt.Errorf("piv: proof of the card: %w", err)
	}
	return nil
}
