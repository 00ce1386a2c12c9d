package card_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Many goroutines use two cards, with and without a hold, and cancel at any moment,
// while another program resets the cards and selects another application. Each use
// succeeds or fails with an expected error, no try is spent, and no PIN stays verified.
func TestConcurrentUse(t *testing.T) {
	aid := []byte{0xF0, 1, 2, 3, 4, 5}
	other := cardtest.NewNeighbor(aid, "654321")
	soft := []*cardtest.Card{cardtest.PIV(other), cardtest.PIV()}
	readers := cardtest.NewReaders(soft...)
	readers.PowerDown(time.Hour)
	s := readers.Service()
	stop := make(chan struct{})
	var others, all sync.WaitGroup
	others.Go(func() { disturb(t, readers, aid, stop) })
	var worked, ended atomic.Int64
	for i := range uint64(8) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(i, 1))
			for range 150 {
				switch err := useRandomly(s, random); {
				case err == nil:
					worked.Add(1)
				case expected(err):
					ended.Add(1)
				default:
					t.Errorf("goroutine %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	close(stop)
	others.Wait()
	assert.Positive(t, worked.Load())
	assert.Positive(t, ended.Load())
	for i, name := range readers.Names() {
		c, err := s.Card(t.Context(), name)
		require.NoError(t, err)
		require.NoError(t, c.Do(t.Context(), readCHUID), "after commands that were left behind")
		assert.False(t, soft[i].Verified())
		require.NoError(t, c.DoWithPIN(t.Context(), pinVerification(named(name), card.FixedPIN(cardtest.PIN)), nothing))
		assert.Zero(t, soft[i].Spent())
	}
	assert.Zero(t, other.Spent())
	require.NoError(t, s.Close())
	require.NoError(t, readers.Close())
}

func named(name string) card.Identity { return card.NewIdentity("test", []byte(name), name) }

// useRandomly verifies or sets the PIN of one of the cards.
func useRandomly(s *card.Service, random *rand.Rand) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	name := []string{zero, one}[random.IntN(2)]
	c, err := s.Card(ctx, name)
	if err != nil {
		return err
	}
	if random.IntN(3) == 0 {
		release, err := c.Hold(ctx)
		if err != nil {
			return err
		}
		defer release()
	}
	steps := random.IntN(12) // until the context is canceled; usually after the end
	step := func() {
		if steps--; steps == 0 {
			cancel()
		}
	}
	ctx = card.WithTrace(ctx, &card.Trace{Command: func(string, card.Command, []byte, time.Duration) { step() }})
	v := pinVerification(named(name), func(context.Context, card.PINRequest) (card.PIN, error) {
		step()
		return card.NewPIN([]byte(cardtest.PIN)), nil
	})
	v.Always = random.IntN(2) == 0
	if random.IntN(4) == 0 {
		same := pinChange(v.PIN) // to the same PIN
		same.Verification = v
		return c.ChangePIN(ctx, same)
	}
	return c.DoWithPIN(ctx, v, readCHUID)
}

// expected reports whether another program or the caller can have caused an error.
func expected(err error) bool {
	for _, want := range []error{card.ErrReset, context.Canceled} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

// disturb is another program, until stop is closed.
func disturb(t *testing.T, readers *cardtest.Readers, aid []byte, stop <-chan struct{}) {
	d := readers.Driver()
	defer d.Close()
	k, err := d.Connect(context.Background(), zero)
	if err != nil {
		t.Error(err)
		return
	}
	defer k.Close(false)
	tick := time.NewTicker(20 * time.Microsecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if n%7 == 0 {
			readers.Reset(fmt.Sprintf("Software Reader %02d", n/7%2))
			continue
		}
		if k.Begin(context.Background()) != nil { // after a reset
			if err := k.Reconnect(context.Background()); err != nil {
				t.Error(err)
			}
			continue
		}
		_, _ = k.Transmit(append([]byte{0, 0xA4, 4, 0, byte(len(aid))}, aid...)) // fails after a reset
		_ = k.End(false)
	}
}
