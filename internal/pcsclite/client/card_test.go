package client_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// connect serves the readers and connects to the card in R.
func connect(t *testing.T, set *reader.Set) driver.Card {
	t.Helper()
	k, err := open(t, &server.Server{Readers: set}).Connect(t.Context(), "R")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, k.Close(false)) })
	return k
}

// count sends a command and returns which one it was since the last reset.
func count(k driver.Card) (int, error) {
	answer, err := k.Transmit([]byte{0, 1, 0, 0})
	if err != nil {
		return 0, err
	}
	return int(answer[0]), nil
}

// another is a second program, in the books of the set.
func another(t *testing.T, set *reader.Set) *reader.Conn {
	t.Helper()
	c, err := set.Connect("R", reader.Mode{})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close(reader.Leave) })
	return c
}

func TestConnectTellsWhyNot(t *testing.T) {
	set := reader.New("R", "empty", "mute", "taken")
	require.NoError(t, set.Insert("mute", mute{}))
	require.NoError(t, set.Insert("taken", new(counter)))
	_, err := set.Connect("taken", reader.Mode{Exclusive: true})
	require.NoError(t, err)
	s := open(t, &server.Server{Readers: set})
	for name, want := range map[string]error{
		"empty":                  driver.NoSmartcard,
		"mute":                   driver.UnresponsiveCard,
		"taken":                  driver.SharingViolation,
		"unknown":                driver.UnknownReader,
		"":                       driver.UnknownReader,
		strings.Repeat("n", 128): driver.UnknownReader,
	} {
		_, err := s.Connect(t.Context(), name)
		assert.Equal(t, want, err, "%q", name)
	}
}

// mute is a card that does not answer to reset.
type mute struct{}

func (mute) ATR() []byte              { return nil }
func (mute) Reset()                   {}
func (mute) Transmit(_ []byte) []byte { return nil }

// onlyT0 is a card that offers T=0 alone.
type onlyT0 struct{ counter }

func (*onlyT0) ATR() []byte { return []byte{0x3B, 0x00} }

func TestProtocolIsTheCards(t *testing.T) {
	set, _ := one(t)
	assert.Equal(t, driver.T1, connect(t, set).Protocol())

	require.NoError(t, set.Remove("R"))
	require.NoError(t, set.Insert("R", new(onlyT0)))
	k := connect(t, set)
	assert.Equal(t, driver.T0, k.Protocol())
	n, err := count(k)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestCommandsAndAnswersOfEverySize(t *testing.T) {
	set, card := one(t)
	k := connect(t, set)
	answer, err := k.Transmit(append([]byte{0, 1, 0, 0, 0, 0xFF, 0xFF}, make([]byte, 65535+2)...))
	assert.NoError(t, err)
	assert.Equal(t, []byte{1, 0x90, 0}, answer)

	card.answer = append(bytes.Repeat([]byte{0xA5}, 65536), 0x90, 0)
	answer, err = k.Transmit([]byte{0, 0xCB, 0, 0})
	assert.NoError(t, err)
	assert.Equal(t, card.answer, answer)

	card.answer = []byte{0x90}
	_, err = k.Transmit([]byte{0, 0xCB, 0, 0})
	assert.ErrorIs(t, err, driver.NotTransacted)
	card.answer = nil
	_, err = k.Transmit([]byte{0, 0xCB, 0, 0})
	assert.ErrorIs(t, err, driver.NotTransacted)

	_, err = k.Transmit([]byte{0, 1, 0})
	assert.Equal(t, driver.InvalidParameter, err)
	_, err = k.Transmit(make([]byte, 1<<17))
	assert.Equal(t, driver.InsufficientBuffer, err)
}

func TestBeginWaitsForOthers(t *testing.T) {
	set, _ := one(t)
	k, other := connect(t, set), another(t, set)
	require.NoError(t, other.Begin(t.Context()))
	begun := make(chan error)
	go func() { begun <- k.Begin(t.Context()) }()

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	select {
	case err := <-begun:
		assert.Fail(t, "begun", "%v", err)
	case <-ctx.Done():
	}
	require.NoError(t, other.End(reader.Leave))
	assert.NoError(t, <-begun)

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	assert.Equal(t, context.DeadlineExceeded, other.Begin(ctx), "the card is held")
	assert.NoError(t, k.End(false))
	assert.NoError(t, other.Begin(t.Context()))
}

func TestBeginEndsWithItsContext(t *testing.T) {
	set, _ := one(t)
	k, other := connect(t, set), another(t, set)
	require.NoError(t, other.Begin(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	assert.Equal(t, context.DeadlineExceeded, k.Begin(ctx))
	require.NoError(t, other.End(reader.Leave))
	assert.NoError(t, k.Begin(t.Context()), "the connection is as good as before")
	assert.NoError(t, k.End(false))
	assert.Equal(t, driver.NotTransacted, k.End(false))
}

func TestCommandsAndReconnectWaitForOthersToo(t *testing.T) {
	set, _ := one(t)
	k, other := connect(t, set), another(t, set)
	for name, call := range map[string]func() error{
		"transmit":  func() error { _, err := count(k); return err },
		"reconnect": func() error { return k.Reconnect(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, other.Begin(t.Context()))
			done := make(chan error)
			go func() { done <- call() }()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			select {
			case err := <-done:
				assert.Fail(t, "done", "%v", err)
			case <-ctx.Done():
			}
			require.NoError(t, other.End(reader.Leave))
			assert.NoError(t, <-done)
		})
	}
}

func TestResetByAnotherIsToldUntilReconnect(t *testing.T) {
	set, _ := one(t)
	k, other := connect(t, set), another(t, set)
	n, err := count(k)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, other.Begin(t.Context()))
	require.NoError(t, other.End(reader.Reset))

	for range 2 {
		assert.Equal(t, driver.ResetCard, k.Begin(t.Context()))
		_, err = count(k)
		assert.Equal(t, driver.ResetCard, err)
	}
	require.NoError(t, k.Reconnect(t.Context()))
	assert.NoError(t, k.Begin(t.Context()))
	n, err = count(k)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.NoError(t, k.End(false))
}

func TestReconnectDoesNotReset(t *testing.T) {
	set, card := one(t)
	k := connect(t, set)
	before := card.resets.Load()
	require.NoError(t, k.Reconnect(t.Context()))
	assert.Equal(t, before, card.resets.Load())
}

func TestOwnResetIsNotToldToOneself(t *testing.T) {
	set, card := one(t)
	k, other := connect(t, set), another(t, set)
	require.NoError(t, k.Begin(t.Context()))
	before := card.resets.Load()
	require.NoError(t, k.End(true))
	assert.Equal(t, before+1, card.resets.Load())
	n, err := count(k)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.NoError(t, k.Begin(t.Context()))
	_, err = other.Transmit([]byte{0, 1, 0, 0})
	assert.Equal(t, driver.ResetCard, err)
}

func TestRemovedCardDoesNotComeBack(t *testing.T) {
	set, card := one(t)
	k := connect(t, set)
	require.NoError(t, set.Remove("R"))
	assert.Equal(t, driver.RemovedCard, k.Begin(t.Context()))
	assert.Equal(t, driver.RemovedCard, k.Reconnect(t.Context()))
	require.NoError(t, set.Insert("R", card))
	assert.Equal(t, driver.RemovedCard, k.Begin(t.Context()))
	assert.Equal(t, driver.RemovedCard, k.Reconnect(t.Context()))
	_, err := count(k)
	assert.Equal(t, driver.RemovedCard, err)
}

func TestUnpluggedReaderIsUnavailable(t *testing.T) {
	set, _ := one(t)
	k := connect(t, set)
	require.NoError(t, set.Detach("R"))
	assert.Equal(t, driver.ReaderUnavailable, k.Begin(t.Context()))
}

func TestCloseResetsWhereAsked(t *testing.T) {
	for _, reset := range []bool{true, false} {
		set, card := one(t)
		s := open(t, &server.Server{Readers: set})
		k, err := s.Connect(t.Context(), "R")
		require.NoError(t, err)
		other := another(t, set)
		before := card.resets.Load()
		require.NoError(t, k.Close(reset))
		require.NoError(t, k.Close(true), "the second call does nothing")
		assert.Equal(t, reset, card.resets.Load() == before+1)
		_, err = other.Transmit([]byte{0, 1, 0, 0})
		assert.Equal(t, reset, err == driver.ResetCard)
		_, err = count(k)
		assert.Equal(t, driver.InvalidHandle, err)
		assert.Equal(t, driver.InvalidHandle, k.Begin(t.Context()))
		assert.Equal(t, driver.InvalidHandle, k.End(false))
		assert.Equal(t, driver.InvalidHandle, k.Reconnect(t.Context()))
	}
}

func TestCloseEndsWhatWaits(t *testing.T) {
	for name, call := range map[string]func(*testing.T, driver.Card) error{
		"begin":     func(t *testing.T, k driver.Card) error { return k.Begin(t.Context()) },
		"reconnect": func(t *testing.T, k driver.Card) error { return k.Reconnect(t.Context()) },
		"transmit":  func(_ *testing.T, k driver.Card) error { _, err := count(k); return err },
	} {
		t.Run(name, func(t *testing.T) {
			set, _ := one(t)
			k, other := connect(t, set), another(t, set)
			require.NoError(t, other.Begin(t.Context()))
			ended := make(chan error)
			go func() { ended <- call(t, k) }()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			<-ctx.Done()
			assert.NoError(t, k.Close(false))
			assert.Equal(t, driver.InvalidHandle, <-ended)
		})
	}
}

func TestCloseLeavesACommandThatTakesLong(t *testing.T) {
	set, card := one(t)
	card.hang = make(chan struct{})
	k := connect(t, set)
	t.Cleanup(func() { close(card.hang) }) // before the server waits for its end
	ended := make(chan error)
	go func() {
		_, err := k.Transmit([]byte{0, 2, 0, 0})
		ended <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	assert.NoError(t, k.Close(true))
	assert.Equal(t, driver.InvalidHandle, <-ended)
}
