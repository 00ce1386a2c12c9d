package client_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/part10"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// connect serves the readers and connects to the card in reader R.
func connect(t *testing.T, set *reader.Set) driver.Card {
	t.Helper()
	k, err := open(t, &server.Server{Readers: set}).Connect(t.Context(), "R")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, k.Close(false)) })
	return k
}

// count sends a command and returns the number of commands since the last reset.
func count(k driver.Card) (int, error) {
	response, err := k.Transmit([]byte{0, 1, 0, 0})
	if err != nil {
		return 0, err
	}
	return int(response[0]), nil
}

// connectOther connects another program to the card in reader R.
func connectOther(t *testing.T, set *reader.Set) *reader.Conn {
	t.Helper()
	c, err := set.Connect("R", reader.Mode{})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close(reader.Leave) })
	return c
}

func TestConnectErrors(t *testing.T) {
	set := reader.New("R", "empty", "mute", "exclusive")
	require.NoError(t, set.Insert("mute", muteCard{}))
	require.NoError(t, set.Insert("exclusive", new(counter)))
	_, err := set.Connect("exclusive", reader.Mode{Exclusive: true})
	require.NoError(t, err)
	s := open(t, &server.Server{Readers: set})
	for name, want := range map[string]error{
		"empty":                  driver.NoSmartcard,
		"mute":                   driver.UnresponsiveCard,
		"exclusive":              driver.SharingViolation,
		"unknown":                driver.UnknownReader,
		"":                       driver.UnknownReader,
		strings.Repeat("n", 128): driver.UnknownReader,
	} {
		_, err := s.Connect(t.Context(), name)
		assert.Equal(t, want, err, "%q", name)
	}
}

// muteCard does not answer to reset.
type muteCard struct{}

func (muteCard) ATR() []byte              { return nil }
func (muteCard) Reset()                   {}
func (muteCard) Transmit(_ []byte) []byte { return nil }

// cardT0 is a card that supports T=0 only.
type cardT0 struct{ counter }

func (*cardT0) ATR() []byte { return []byte{0x3B, 0x00} }

func TestProtocol(t *testing.T) {
	set, _ := newSet(t)
	assert.Equal(t, driver.T1, connect(t, set).Protocol())

	require.NoError(t, set.Remove("R"))
	require.NoError(t, set.Insert("R", new(cardT0)))
	k := connect(t, set)
	assert.Equal(t, driver.T0, k.Protocol())
	n, err := count(k)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestTransmitSizes(t *testing.T) {
	set, card := newSet(t)
	k := connect(t, set)
	response, err := k.Transmit(append([]byte{0, 1, 0, 0, 0, 0xFF, 0xFF}, make([]byte, 65535+2)...))
	assert.NoError(t, err)
	assert.Equal(t, []byte{1, 0x90, 0}, response)

	card.response = append(bytes.Repeat([]byte{0xA5}, 65536), 0x90, 0)
	response, err = k.Transmit([]byte{0, 0xCB, 0, 0})
	assert.NoError(t, err)
	assert.Equal(t, card.response, response)

	card.response = []byte{0x90}
	_, err = k.Transmit([]byte{0, 0xCB, 0, 0})
	assert.ErrorIs(t, err, driver.NotTransacted)
	card.response = nil
	_, err = k.Transmit([]byte{0, 0xCB, 0, 0})
	assert.ErrorIs(t, err, driver.NotTransacted)

	_, err = k.Transmit([]byte{0, 1, 0})
	assert.Equal(t, driver.InvalidParameter, err)
	_, err = k.Transmit(make([]byte, 1<<17))
	assert.Equal(t, driver.InsufficientBuffer, err)
}

func TestControl(t *testing.T) {
	set, _ := newSet(t)
	k := connect(t, set).(driver.Controller)
	n, ok := part10.MaxDataSize(k)
	assert.True(t, ok)
	assert.Equal(t, 65536, n)
	_, err := k.Control(1, nil)
	assert.Equal(t, driver.UnsupportedFeature, err)
}

func TestBeginWaitsForTransaction(t *testing.T) {
	set, _ := newSet(t)
	k, other := connect(t, set), connectOther(t, set)
	require.NoError(t, other.Begin(t.Context()))
	returned := make(chan error)
	go func() { returned <- k.Begin(t.Context()) }()

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	select {
	case err := <-returned:
		assert.Fail(t, "Begin does not wait", "%v", err)
	case <-ctx.Done():
	}
	require.NoError(t, other.End(reader.Leave))
	assert.NoError(t, <-returned)

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, other.Begin(ctx), context.DeadlineExceeded, "no transaction")
	assert.NoError(t, k.End(false))
	assert.NoError(t, other.Begin(t.Context()))
}

func TestBeginEndsWithContext(t *testing.T) {
	set, _ := newSet(t)
	k, other := connect(t, set), connectOther(t, set)
	require.NoError(t, other.Begin(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, k.Begin(ctx), context.DeadlineExceeded)
	require.NoError(t, other.End(reader.Leave))
	assert.NoError(t, k.Begin(t.Context()), "the connection is lost")
	assert.NoError(t, k.End(false))
	assert.Equal(t, driver.NotTransacted, k.End(false))
}

func TestCallsWaitForTransaction(t *testing.T) {
	set, _ := newSet(t)
	k, other := connect(t, set), connectOther(t, set)
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
				assert.Fail(t, "call does not wait", "%v", err)
			case <-ctx.Done():
			}
			require.NoError(t, other.End(reader.Leave))
			assert.NoError(t, <-done)
		})
	}
}

func TestResetCardUntilReconnect(t *testing.T) {
	set, _ := newSet(t)
	k, other := connect(t, set), connectOther(t, set)
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
	set, card := newSet(t)
	k := connect(t, set)
	before := card.resets.Load()
	require.NoError(t, k.Reconnect(t.Context()))
	assert.Equal(t, before, card.resets.Load())
}

func TestOwnResetIsNotReported(t *testing.T) {
	set, card := newSet(t)
	k, other := connect(t, set), connectOther(t, set)
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

func TestRemovedCardStaysRemoved(t *testing.T) {
	set, card := newSet(t)
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

func TestRemovedReader(t *testing.T) {
	set, _ := newSet(t)
	k := connect(t, set)
	require.NoError(t, set.Detach("R"))
	assert.Equal(t, driver.ReaderUnavailable, k.Begin(t.Context()))
}

func TestCloseWithReset(t *testing.T) {
	for _, reset := range []bool{true, false} {
		set, card := newSet(t)
		s := open(t, &server.Server{Readers: set})
		k, err := s.Connect(t.Context(), "R")
		require.NoError(t, err)
		other := connectOther(t, set)
		before := card.resets.Load()
		require.NoError(t, k.Close(reset))
		require.NoError(t, k.Close(true), "second call")
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

func TestCloseEndsWaitingCalls(t *testing.T) {
	for name, call := range map[string]func(*testing.T, driver.Card) error{
		"begin":     func(t *testing.T, k driver.Card) error { return k.Begin(t.Context()) },
		"reconnect": func(t *testing.T, k driver.Card) error { return k.Reconnect(t.Context()) },
		"transmit":  func(_ *testing.T, k driver.Card) error { _, err := count(k); return err },
	} {
		t.Run(name, func(t *testing.T) {
			set, _ := newSet(t)
			k, other := connect(t, set), connectOther(t, set)
			require.NoError(t, other.Begin(t.Context()))
			returned := make(chan error)
			go func() { returned <- call(t, k) }()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			<-ctx.Done()
			assert.NoError(t, k.Close(false))
			assert.Equal(t, driver.InvalidHandle, <-returned)
		})
	}
}

func TestCloseDuringTransmit(t *testing.T) {
	set, card := newSet(t)
	card.hang = make(chan struct{})
	k := connect(t, set)
	t.Cleanup(func() { close(card.hang) }) // before the server waits for the command
	returned := make(chan error)
	go func() {
		_, err := k.Transmit([]byte{0, 2, 0, 0})
		returned <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	assert.NoError(t, k.Close(true))
	assert.Equal(t, driver.InvalidHandle, <-returned)
}
