package cardapp_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

var errRefused = errors.New("refused")

func onCard(t *testing.T) *card.Card {
	t.Helper()
	return card.New("a card", cardtest.PIV())
}

func nothing(*card.Tx) error { return nil }

func TestReadIsRepeatedAfterAReset(t *testing.T) {
	for _, test := range []struct {
		err   error
		times int
	}{{nil, 1}, {errRefused, 1}, {card.ErrReset, 2}, {card.ErrRemoved, 1}} {
		entered, times := 0, 0
		enter := func(*card.Tx) error { entered++; return nil }
		err := cardapp.Read(t.Context(), onCard(t), enter, func(*card.Tx) error { times++; return test.err })
		assert.ErrorIs(t, err, test.err)
		assert.Equal(t, []int{test.times, test.times}, []int{entered, times})
	}
	err := cardapp.Read(t.Context(), onCard(t), func(*card.Tx) error { return errRefused }, func(*card.Tx) error {
		t.Error("the application is not current")
		return nil
	})
	assert.ErrorIs(t, err, errRefused)
}

func TestStream(t *testing.T) {
	ended := make(chan error, 1)
	stream := func(ctx context.Context) func(func(int, error) bool) {
		return cardapp.Stream(ctx, 3, func(ctx context.Context, found func(int, error)) {
			found(1, nil)
			found(0, errRefused)
			found(3, nil)
			ended <- ctx.Err() // with nobody having taken anything, maybe
			<-ctx.Done()
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []int
	var errs []error
	for n, err := range stream(ctx) {
		if got, errs = append(got, n), append(errs, err); len(got) == 3 {
			require.NoError(t, <-ended)
			cancel()
		}
	}
	assert.Equal(t, []int{1, 0, 3}, got)
	assert.Equal(t, []error{nil, errRefused, nil}, errs)
	for n := range stream(t.Context()) {
		assert.Equal(t, 1, n)
		require.NoError(t, <-ended)
		break // which ends the context of the one who fills it, and waits for that
	}
}

func TestHeld(t *testing.T) {
	h, err := cardapp.Hold(t.Context(), onCard(t))
	require.NoError(t, err)
	refused, again := 0, 0
	f := func(*card.Tx) error { refused++; return card.StatusNotPermitted }
	verified := func(_ context.Context, f func(*card.Tx) error) error { again++; return nil }
	require.NoError(t, h.Use(nothing, nothing, verified))
	assert.Zero(t, again)
	require.NoError(t, h.Use(nothing, f, verified))
	assert.Equal(t, []int{1, 1}, []int{refused, again})
	assert.ErrorIs(t, h.Use(nothing, f, nil), card.StatusNotPermitted)
	require.NoError(t, h.UseVerified(f, verified))
	assert.Equal(t, []int{2, 2}, []int{refused, again}, "at once")
	assert.ErrorIs(t, h.Use(func(*card.Tx) error { return errRefused }, f, verified), errRefused)

	require.NoError(t, h.Close())
	require.NoError(t, h.Close())
	assert.ErrorIs(t, h.Use(nothing, nothing, verified), card.ErrClosed)
	assert.ErrorIs(t, h.UseVerified(nothing, verified), card.ErrClosed)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = cardapp.Hold(ctx, onCard(t))
	assert.ErrorIs(t, err, context.Canceled)
}
