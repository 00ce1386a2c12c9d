package piv

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
)

// Prove has the card show that it holds the Card Authentication key (9E) with
// that public half, by signing something new. It takes no PIN: that the key is a
// card's own makes the card the one that it is taken for (SP 800-73-4 part 1,
// appendix B.1.2). The error wraps [ErrMismatch] where it is another.
func (c *Card) Prove(ctx context.Context, public crypto.PublicKey) error {
	key, err := c.Key(ctx, CardAuthentication, public, nil)
	if err != nil {
		return err
	}
	defer key.Close()
	challenge := make([]byte, 32) // as long as a digest of SHA-256
	rand.Read(challenge)          // never fails
	var opts crypto.SignerOpts = crypto.SHA256
	if _, ok := public.(ed25519.PublicKey); ok {
		opts = crypto.Hash(0)
	}
	if _, err := key.Sign(rand.Reader, challenge, opts); err != nil {
		return fmt.Errorf("piv: proof of the card: %w", err)
	}
	return nil
}
