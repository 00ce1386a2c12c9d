package card_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServiceCloseLogsOut(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.otherProgram() // keeps the card powered
	_, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
	require.True(t, d.soft.Verified())
	require.NoError(t, d.service.Close())
	assert.False(t, d.soft.Verified())
}

func TestReleaseAfterServiceClose(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	release, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.service.Close())
	before := d.soft.Exchanges()
	release()
	assert.Equal(t, before, d.soft.Exchanges())
}

// The end of the hold of a removed card does not log out the next card in the reader,
// and the connection to the removed card is closed.
func TestHoldOfRemovedCard(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	n := &hookedService{Service: d.readers.Driver()}
	s := card.NewService(n, nil)
	c, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	first, err := c.Hold(t.Context())
	require.NoError(t, err)
	next := cardtest.PIV()
	d.readers.Remove(zero)
	d.readers.Insert(zero, next)
	c, err = s.Card(t.Context(), zero)
	require.NoError(t, err)
	second, err := c.Hold(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n.open)
	require.NoError(t, c.DoWithPIN(t.Context(), pinVerification(card.NewIdentity("test", []byte("next"), "the next"), userEntering(cardtest.PIN).ask), nothing))
	first()
	assert.True(t, next.Verified())
	second()
	assert.False(t, next.Verified())
	assert.Zero(t, n.open)
	require.NoError(t, s.Close())
}

func TestReleaseWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFixture(t, cardtest.PIV(), nil)
		first, err := d.card.Hold(t.Context())
		require.NoError(t, err)
		second, err := d.card.Hold(t.Context())
		require.NoError(t, err)
		k := d.otherProgram()
		require.NoError(t, k.Begin(t.Context()))
		begin := time.Now()
		first()
		assert.Zero(t, time.Since(begin), "not the last hold")
		second()
		assert.Equal(t, 10*time.Second, time.Since(begin), "BusyTimeout")
		require.NoError(t, k.End(false))
		require.NoError(t, k.Begin(t.Context()))
		require.NoError(t, k.End(false))
		d.close()
	})
}

// A release inside a transaction times out, and does not close its connection.
func TestReleaseInTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFixture(t, cardtest.PIV(), nil)
		n := &hookedService{Service: d.readers.Driver()}
		s := card.NewService(n, nil)
		c, err := s.Card(t.Context(), zero)
		require.NoError(t, err)
		release, err := c.Hold(t.Context())
		require.NoError(t, err)
		for range 2 { // the transaction uses the held connection, and then its own
			require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
				release() // waits for BusyTimeout
				return readCHUID(tx)
			}))
			assert.Zero(t, n.open)
		}
		require.NoError(t, s.Close())
		d.close()
	})
}

// A release that times out does not end a hold that began while it waited.
func TestReleaseDuringHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFixture(t, cardtest.PIV(), nil)
		first, err := d.card.Hold(t.Context())
		require.NoError(t, err)
		require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
		var second func()
		require.NoError(t, d.card.Do(t.Context(), func(tx *card.Tx) error {
			released := make(chan struct{})
			go func() {
				first()
				close(released)
			}()
			synctest.Wait()
			second = tx.Hold()
			<-released
			return nil
		}))
		assert.True(t, d.soft.Verified())
		require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, nil), nothing))
		second()
		assert.False(t, d.soft.Verified())
		d.close()
	})
}

// After a transaction that had to reset the card, the epoch is another one.
func TestEpochAfterOwnReset(t *testing.T) {
	soft := &endlessCard{response: func(n int) string {
		if n == 1 {
			return done // VERIFY
		}
		return "\x61\x10" // announces more data and sends none
	}}
	c := card.New("a card", soft)
	release, err := c.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	require.NoError(t, c.DoWithPIN(t.Context(), bareVerification(userEntering(cardtest.PIN).ask), nothing))
	var epochs []uint64
	for range 2 {
		err := c.Do(t.Context(), func(tx *card.Tx) error {
			epochs = append(epochs, tx.Epoch())
			_, err := tx.Command(getCHUID)
			return err
		})
		require.ErrorIs(t, err, card.ErrMalformed)
	}
	assert.NotEqual(t, epochs[0], epochs[1])
	assert.Equal(t, 2, soft.resets, "once for each transaction")
}

// A hookedService calls functions before or in place of methods of a driver.
type hookedService struct {
	driver.Service
	connected func()                      // after each Connect
	open      int                         // connections
	reconnect func() error                // in place of Reconnect
	end       func() error                // in place of End
	protocol  func()                      // before Protocol
	closed    []bool                      // the argument of each Close
	begin     func(context.Context) error // in place of Begin
}

func (n *hookedService) Connect(ctx context.Context, reader string) (driver.Card, error) {
	c, err := n.Service.Connect(ctx, reader)
	if n.open++; n.connected != nil {
		n.connected()
	}
	return &hookedCard{c, n}, err
}

type hookedCard struct {
	driver.Card
	n *hookedService
}

func (c *hookedCard) Close(reset bool) error {
	c.n.open--
	c.n.closed = append(c.n.closed, reset)
	return c.Card.Close(reset)
}

func (c *hookedCard) Protocol() driver.Protocol {
	if c.n.protocol != nil {
		c.n.protocol()
	}
	return c.Card.Protocol()
}

func (c *hookedCard) Begin(ctx context.Context) error {
	if c.n.begin != nil {
		return c.n.begin(ctx)
	}
	return c.Card.Begin(ctx)
}

func (c *hookedCard) End(reset bool) error {
	if c.n.end != nil {
		return c.n.end()
	}
	return c.Card.End(reset)
}

func (c *hookedCard) Reconnect(ctx context.Context) error {
	if c.n.reconnect != nil {
		return c.n.reconnect()
	}
	return c.Card.Reconnect(ctx)
}

// newHookedFixture returns a fixture whose driver has hooks.
func newHookedFixture(t *testing.T) (*fixture, *hookedService) {
	t.Helper()
	soft := cardtest.PIV()
	d := &fixture{t: t, soft: soft, readers: cardtest.NewReaders(soft)}
	n := &hookedService{Service: d.readers.Driver()}
	d.service = card.NewService(n, nil)
	t.Cleanup(d.close)
	var err error
	d.card, err = d.service.Card(t.Context(), zero)
	require.NoError(t, err)
	return d, n
}

// If the reset at the end fails, closing the connection resets the card.
func TestCloseResetsAfterEndFailed(t *testing.T) {
	d, n := newHookedFixture(t)
	v := pinVerification(aCard, userEntering(cardtest.PIN).ask)
	v.Logout = nil
	n.end = func() error { return driver.InternalError }
	d.otherProgram() // keeps the card powered
	require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
	assert.Contains(t, n.closed, true)
	assert.False(t, d.soft.Verified())
}

func TestCanceledWaitKeepsHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFixture(t, cardtest.PIV(), nil)
		release, err := d.card.Hold(t.Context())
		require.NoError(t, err)
		require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
		k := d.otherProgram()
		require.NoError(t, k.Begin(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, d.card.Do(ctx, readCHUID), context.DeadlineExceeded)
		assert.ErrorIs(t, d.card.Do(t.Context(), readCHUID), card.ErrBusy)
		require.NoError(t, k.End(false))
		assert.True(t, d.soft.Verified())
		assert.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, nil), nothing), "not asked for again")
		release()
		assert.False(t, d.soft.Verified())
		d.close()
	})
}

func TestBusyTraceThatPanics(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	s := card.NewService(&exclusiveService{Service: d.readers.Driver(), failures: 1}, nil)
	defer s.Close()
	c, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	ctx := card.WithTrace(t.Context(), &card.Trace{Busy: func(string) { panic("oh") }})
	assert.Panics(t, func() { _ = c.Do(ctx, nothing) })
	assert.NoError(t, c.Do(t.Context(), nothing))
}

func TestErrorsOfBegin(t *testing.T) {
	resets := 0
	for _, test := range []struct {
		name string
		set  func(*hookedService, *cardtest.Readers)
		want error
	}{
		{"the card is removed after Connect", func(n *hookedService, r *cardtest.Readers) {
			n.connected = func() { r.Remove(zero) }
		}, card.ErrRemoved},
		{"the card is removed after Begin", func(n *hookedService, r *cardtest.Readers) {
			n.begin = func(context.Context) error {
				r.Remove(zero)
				return nil
			}
		}, card.ErrRemoved},
		{"the reader is unplugged after Begin", func(n *hookedService, r *cardtest.Readers) {
			n.begin = func(context.Context) error {
				r.Unplug(zero)
				return nil
			}
		}, card.ErrNoReader},
		{"another program keeps resetting the card", func(n *hookedService, _ *cardtest.Readers) {
			n.begin = func(context.Context) error {
				resets++
				return driver.ResetCard
			}
		}, card.ErrReset},
		{"Reconnect fails", func(n *hookedService, _ *cardtest.Readers) {
			n.begin = func(context.Context) error { return driver.ResetCard }
			n.reconnect = func() error { return driver.UnresponsiveCard }
		}, card.ErrMute},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFixture(t, cardtest.PIV(), nil)
			n := &hookedService{Service: d.readers.Driver()}
			s := card.NewService(n, nil)
			c, err := s.Card(t.Context(), zero)
			require.NoError(t, err)
			test.set(n, d.readers)
			ran := false
			err = c.Do(t.Context(), func(*card.Tx) error {
				ran = true
				return nil
			})
			assert.ErrorIs(t, err, test.want)
			assert.False(t, ran)
			require.NoError(t, s.Close())
		})
	}
	assert.Equal(t, 8, resets, "maxResets")
}

func TestHoldAfterServiceRestart(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	release, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	d.readers.Stop()
	d.readers.Start()
	assert.ErrorIs(t, d.card.Do(t.Context(), nothing), card.ErrChanged, "the card may have been exchanged meanwhile")
}

func TestContextEndsWaitForTurn(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, d.card.Do(t.Context(), func(*card.Tx) error {
		cancel()
		err := d.card.Do(ctx, nothing)
		assert.ErrorIs(t, err, context.Canceled)
		return nil
	}))
}
