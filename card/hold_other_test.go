package card_test

import (
	"context"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The first card is held with a verified PIN when it is removed. A hold of the next
// card in the reader replaces it.
func TestHoldAfterHeldCardWasExchanged(t *testing.T) {
	for _, tt := range []struct {
		name     string
		exchange func(r *cardtest.Readers, next *cardtest.Card)
	}{
		{"removed and inserted", func(r *cardtest.Readers, next *cardtest.Card) {
			r.Remove(r.Names()[0])
			r.Insert(r.Names()[0], next)
		}},
		{"unplugged with the reader", func(r *cardtest.Readers, next *cardtest.Card) {
			name := r.Names()[0]
			r.Unplug(name)
			r.Plug(name, next)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, second := cardtest.PIV(), cardtest.GIDS() // the ATRs differ
			readers := cardtest.NewReaders(first)
			readers.PowerDown(time.Hour)
			defer readers.Close()
			s := readers.Service()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()

			c, err := s.Card(ctx, readers.Names()[0])
			require.NoError(t, err)
			releaseFirst, err := c.Hold(ctx)
			require.NoError(t, err)
			v := pinVerification(card.NewIdentity("test", []byte{1}, ""), card.FixedPIN(cardtest.PIN))
			require.NoError(t, c.DoWithPIN(ctx, v, func(*card.Tx) error { return nil }))
			require.True(t, first.Verified())

			tt.exchange(readers, second)
			next, err := s.Card(ctx, readers.Names()[0])
			require.NoError(t, err)
			held := make(chan error, 1)
			go func() {
				release, err := next.Hold(ctx)
				if err == nil {
					release()
				}
				held <- err
			}()
			select {
			case err := <-held:
				assert.NoError(t, err)
			case <-ctx.Done():
				t.Fatal("Hold waits for its own transaction")
			}
			releaseFirst()
			assert.False(t, first.Verified())
			assert.Zero(t, second.PINs())
			assert.NoError(t, s.Close())
		})
	}
}
