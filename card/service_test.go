package card_test

import (
	"context"
	"testing"

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

// listed is a service that has nothing but a list of readers.
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
