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

func TestCardErrors(t *testing.T) {
	readers := cardtest.NewReaders(nil)
	defer readers.Close()
	s := readers.Service()
	defer s.Close()
	_, err := s.Card(t.Context(), zero)
	assert.ErrorIs(t, err, card.ErrNoCard)
	_, err = s.Card(t.Context(), "another")
	assert.ErrorIs(t, err, card.ErrNoReader)
	assert.ErrorContains(t, err, `"another"`)

	mute := card.NewService(listService{{Name: zero, Present: true, Mute: true}}, nil)
	defer mute.Close()
	_, err = mute.Card(t.Context(), zero)
	assert.ErrorIs(t, err, card.ErrMute)
}

func TestReaders(t *testing.T) {
	s := card.NewService(listService{{Name: "a", Present: true, InUse: true, ATR: []byte{0x3B, 0x00}, Events: 7}, {Name: "b"}}, nil)
	defer s.Close()
	list, err := s.Readers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []card.Reader{{Name: "a", Present: true, InUse: true, ATR: card.ATR{0x3B, 0x00}}, {Name: "b"}}, list)
	c, err := s.Card(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, "a", c.Reader())
	assert.Equal(t, "3B00", c.ATR().String())
}

// A listService is a driver with readers and a mute card.
type listService []driver.Reader

func (l listService) Readers(context.Context) ([]driver.Reader, error) { return l, nil }
func (l listService) Close() error                                     { return nil }
func (l listService) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (l listService) Connect(context.Context, string) (driver.Card, error) {
	return nil, driver.UnresponsiveCard
}

func TestServiceCloseWhileCardHangs(t *testing.T) {
	for name, use := range map[string]func(*fixture) error{
		"read": func(d *fixture) error { return d.card.Do(d.t.Context(), readCHUID) },
		"verify": func(d *fixture) error {
			return d.card.DoWithPIN(d.t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), readCHUID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newFixture(t, cardtest.PIV(), nil)
				d.otherProgram() // keeps the card powered
				d.readers.Fault(zero, map[string]int{"read": 2, "verify": 7}[name], cardtest.Fault{Delay: time.Hour})
				result := make(chan error, 1)
				go func() { result <- use(d) }()
				synctest.Wait()
				assert.Equal(t, name == "verify", d.soft.Verified())
				begin := time.Now()
				require.NoError(t, d.service.Close())
				assert.LessOrEqual(t, time.Since(begin), 10*time.Second)
				assert.ErrorIs(t, <-result, card.ErrClosed)
				assert.False(t, d.soft.Verified())
				d.close()
			})
		})
	}
}

// The end of a transaction is bounded; then the connection is closed with a reset.
func TestCardHangsAtLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFixture(t, cardtest.PIV(), nil)
		d.otherProgram()
		d.readers.Fault(zero, verifyAt+1, cardtest.Fault{Delay: time.Hour})
		begin := time.Now()
		require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
		assert.Equal(t, 5*time.Second, time.Since(begin))
		assert.False(t, d.soft.Verified())
		d.readers.Fault(zero, 0, cardtest.Fault{})
		require.NoError(t, d.card.Do(t.Context(), readCHUID))
		d.close()
	})
}
