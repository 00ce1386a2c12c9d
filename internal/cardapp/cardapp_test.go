package cardapp_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
)

var errRefused = errors.New("refused")

func newCard(t *testing.T) *card.Card {
	t.Helper()
	return card.New("a card", cardtest.PIV())
}

func noop(*card.Tx) error { return nil }

func TestReadAfterReset(t *testing.T) {
	for _, test := range []struct {
		err   error
		times int
	}{{nil, 1}, {errRefused, 1}, {card.ErrReset, 2}, {card.ErrRemoved, 1}} {
		entered, times := 0, 0
		enter := func(*card.Tx) error { entered++; return nil }
		err := cardapp.Read(t.Context(), newCard(t), enter, func(*card.Tx) error { times++; return test.err })
		assert.ErrorIs(t, err, test.err)
		assert.Equal(t, []int{test.times, test.times}, []int{entered, times})
	}
	err := cardapp.Read(t.Context(), newCard(t), func(*card.Tx) error { return errRefused }, func(*card.Tx) error {
		t.Error("f runs without the application")
		return nil
	})
	assert.ErrorIs(t, err, errRefused)
}

func TestStream(t *testing.T) {
	filled := make(chan error, 1)
	stream := func(ctx context.Context) iter.Seq2[int, error] {
		return cardapp.Stream(ctx, func(ctx context.Context, emit func(int, error)) {
			emit(1, nil)
			emit(0, errRefused)
			emit(3, nil)
			filled <- ctx.Err() // fill does not wait for the caller
			<-ctx.Done()
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var values []int
	var errs []error
	for n, err := range stream(ctx) {
		if values, errs = append(values, n), append(errs, err); len(values) == 3 {
			require.NoError(t, <-filled)
			cancel()
		}
	}
	assert.Equal(t, []int{1, 0, 3}, values)
	assert.Equal(t, []error{nil, errRefused, nil}, errs)
	for n := range stream(t.Context()) {
		assert.Equal(t, 1, n)
		require.NoError(t, <-filled)
		break // cancels the context of fill and waits for it
	}
}

// A panic in the loop leaves no goroutine behind, which TestMain checks.
func TestStreamWithPanic(t *testing.T) {
	ended := false
	assert.Panics(t, func() {
		for range cardapp.Stream(t.Context(), func(ctx context.Context, emit func(int, error)) {
			emit(1, nil)
			<-ctx.Done()
			ended = true
		}) {
			panic("in the loop")
		}
	})
	assert.True(t, ended)
}

func TestHeld(t *testing.T) {
	c := newCard(t)
	h := cardapp.NewHeld(c)
	require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
		h.Hold(tx)
		h.Hold(tx)
		return nil
	}))
	ctx := t.Context()
	refused, again := 0, 0
	f := func(*card.Tx) error { refused++; return card.StatusNotPermitted }
	withPIN := func(_ context.Context, f func(*card.Tx) error) error { again++; return nil }
	require.NoError(t, h.Use(ctx, noop, noop, withPIN))
	assert.Zero(t, again)
	require.NoError(t, h.Use(ctx, noop, f, withPIN))
	assert.Equal(t, []int{1, 1}, []int{refused, again})
	assert.ErrorIs(t, h.Use(ctx, noop, f, nil), card.StatusNotPermitted)
	require.NoError(t, h.UseWithPIN(ctx, f, withPIN))
	assert.Equal(t, []int{2, 2}, []int{refused, again}, "without f alone first")
	assert.ErrorIs(t, h.Use(ctx, func(*card.Tx) error { return errRefused }, f, withPIN), errRefused)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	assert.ErrorIs(t, h.Use(canceled, noop, noop, withPIN), context.Canceled)

	require.NoError(t, h.Close())
	require.NoError(t, h.Close())
	assert.ErrorIs(t, h.Use(ctx, noop, noop, withPIN), cardapp.ErrKeyClosed)
	assert.ErrorIs(t, h.UseWithPIN(ctx, noop, withPIN), cardapp.ErrKeyClosed)
}

// After the connection was lost, the next use holds the card anew.
func TestHeldAfterLostConnection(t *testing.T) {
	soft := cardtest.Logon("alice@example.com")
	readers := cardtest.NewReaders(soft)
	service := readers.Service()
	c, err := service.Card(t.Context(), readers.Names()[0])
	require.NoError(t, err)
	h := cardapp.NewHeld(c)
	use := func(f func(*card.Tx) error) {
		require.NoError(t, h.Use(t.Context(), noop, f, nil))
	}
	require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error { h.Hold(tx); return nil }))
	resets := soft.Exchanges().Resets
	use(noop)
	assert.Equal(t, resets, soft.Exchanges().Resets, "the card keeps its power")

	readers.Reset(readers.Names()[0])
	for range 3 {
		use(noop)
	}
	assert.Equal(t, resets+1, soft.Exchanges().Resets)
	require.NoError(t, h.Close())
	assert.Greater(t, soft.Exchanges().Resets, resets+1, "the last hold has ended")
	require.NoError(t, service.Close())
	require.NoError(t, readers.Close())
}

func TestHeldOpen(t *testing.T) {
	h := cardapp.NewHeld(newCard(t))
	require.NoError(t, h.Open(func() error { return nil }))
	require.NoError(t, h.Use(t.Context(), noop, noop, nil))
	assert.ErrorIs(t, h.Open(func() error { return errRefused }), errRefused)
	assert.ErrorIs(t, h.Use(t.Context(), noop, noop, nil), cardapp.ErrKeyClosed)

	h = cardapp.NewHeld(newCard(t))
	assert.Panics(t, func() { h.Open(func() error { panic("in a PINFunc") }) })
	assert.ErrorIs(t, h.Use(t.Context(), noop, noop, nil), cardapp.ErrKeyClosed)
}

func TestLacks(t *testing.T) {
	for status, test := range map[card.Status]struct{ application, object bool }{
		0x6A82: {true, true}, 0x6A88: {true, true}, 0x6A80: {true, true}, 0x6A83: {true, true},
		0x6A81: {true, false}, 0x6A84: {true, false}, 0x6A86: {true, false},
		0x6400: {false, true}, 0x6999: {true, false}, 0x6D00: {true, false}, 0x6E00: {true, false}, 0x6B00: {true, false},
		0x6982: {}, 0x6985: {}, 0x6700: {}, 0x6F00: {}, 0x6283: {}, 0x6581: {},
	} {
		assert.Equal(t, test.application, cardapp.LacksApplication(status), "application, %04X", uint16(status))
		assert.Equal(t, test.object, cardapp.LacksObject(status), "object, %04X", uint16(status))
		assert.False(t, cardapp.LacksApplication(fault.Partial(status)))
		assert.False(t, cardapp.LacksObject(fault.Partial(status)))
	}
	assert.False(t, cardapp.LacksApplication(card.ErrReset))
	assert.False(t, cardapp.LacksObject(nil))
}

func TestIsIdentifier(t *testing.T) {
	for id, want := range map[string]bool{"\xA0\x00\x00\x03\x08": true, "\xA0": true, "\xD2\x76": true, "\xF0": true, "": false, "\x00\x00\x10": false, "\x01\x00": false, "\x9F": false} {
		assert.Equal(t, want, cardapp.IsIdentifier([]byte(id)), "%X", id)
	}
}

func TestSelectError(t *testing.T) {
	absent := fault.New(fault.Application, "card has no application", "")
	for _, test := range []struct {
		err    error
		absent bool
		reach  fault.Reach
	}{
		{fault.Mark(fault.Object, card.StatusNotFound), true, fault.Application},
		{fault.Mark(fault.Object, card.StatusNoDiagnosis), true, fault.Object},
		{card.ErrMalformed, true, fault.Object},
		{card.ErrReset, false, fault.Card},
		{card.ErrRemoved, false, fault.Reader},
	} {
		err := cardapp.SelectError(absent, test.err)
		assert.ErrorIs(t, err, test.err)
		assert.Equal(t, test.absent, errors.Is(err, absent), test.err)
		assert.Equal(t, test.reach, fault.ReachOf(err), test.err)
	}
	assert.NoError(t, cardapp.SelectError(absent, nil))
}
