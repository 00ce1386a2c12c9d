package reader_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

func TestErrorsOfConnect(t *testing.T) {
	set := reader.New(name, "empty")
	_, err := set.Connect("nowhere", reader.Mode{})
	assert.ErrorIs(t, err, driver.UnknownReader)
	_, err = set.Connect("empty", reader.Mode{})
	assert.ErrorIs(t, err, driver.NoSmartcard)

	require.NoError(t, set.Insert(name, newCounter()))
	_, err = set.Connect(name, reader.Mode{Protocols: reader.T0})
	assert.ErrorIs(t, err, driver.ProtoMismatch)

	shared := connect(t, set, reader.Mode{})
	_, err = set.Connect(name, reader.Mode{Exclusive: true})
	assert.ErrorIs(t, err, driver.SharingViolation, "exclusive after shared")
	require.NoError(t, shared.Close(reader.Leave))

	connect(t, set, reader.Mode{Exclusive: true})
	_, err = set.Connect(name, reader.Mode{})
	assert.ErrorIs(t, err, driver.SharingViolation, "shared after exclusive")
}

func TestProtocolIsOneThatTheATROffers(t *testing.T) {
	tests := []struct {
		name   string
		atr    []byte
		wanted reader.Protocols
		got    reader.Protocols
	}{
		{"no TD1 is T=0", []byte{0x3B, 0x00}, 0, reader.T0},
		{"TA1 and TC1 before TD1", []byte{0x3B, 0xD0, 0x11, 0xFF, 0x01, 0x00}, 0, reader.T1},
		{"both, T=1 preferred", []byte{0x3B, 0x80, 0x80, 0x01, 0x01}, 0, reader.T1},
		{"both, only T=0 wanted", []byte{0x3B, 0x80, 0x80, 0x01, 0x01}, reader.T0, reader.T0},
		{"T=15 after T=0 is not a protocol", []byte{0x3B, 0x80, 0x80, 0x1F, 0x00}, 0, reader.T0},
		{"T=14 alone", []byte{0x3B, 0x80, 0x0E, 0x8E}, 0, 0},
		{"cut short before TD1", []byte{0x3B, 0x80}, 0, reader.T0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := reader.New(name)
			require.NoError(t, set.Insert(name, &counter{atr: tt.atr}))
			c, err := set.Connect(name, reader.Mode{Protocols: tt.wanted})
			if tt.got == 0 {
				require.ErrorIs(t, err, driver.ProtoMismatch)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.got, c.Protocol())
			_, err = set.Connect(name, reader.Mode{Protocols: 3 ^ tt.got})
			assert.ErrorIs(t, err, driver.ProtoMismatch, "the first connection chose the other")
		})
	}
}

// A reset or a removal between two calls of a program does not change what it agreed
// on.
func TestProtocolStaysAfterResetAndRemoval(t *testing.T) {
	set := reader.New(name)
	require.NoError(t, set.Insert(name, &counter{atr: []byte{0x3B, 0x00}}))
	c := connect(t, set, reader.Mode{})
	require.NoError(t, set.Reset(name))
	assert.Equal(t, reader.T0, c.Protocol())
	require.NoError(t, set.Remove(name))
	assert.Equal(t, reader.T0, c.Protocol())
}

func TestOtherConnectionsFailAfterAReset(t *testing.T) {
	ctx := t.Context()
	resets := map[string]func(*testing.T, *reader.Set, *reader.Conn){
		"close with reset":   func(t *testing.T, _ *reader.Set, by *reader.Conn) { require.NoError(t, by.Close(reader.Reset)) },
		"close with unpower": func(t *testing.T, _ *reader.Set, by *reader.Conn) { require.NoError(t, by.Close(reader.Unpower)) },
		"reconnect with reset": func(t *testing.T, _ *reader.Set, by *reader.Conn) {
			require.NoError(t, by.Reconnect(ctx, reader.Mode{}, reader.Reset))
			assert.Equal(t, 1, transmit(t, by), "no error after its own reset")
		},
		"end of transaction with reset": func(t *testing.T, _ *reader.Set, by *reader.Conn) {
			require.NoError(t, by.Begin(ctx))
			require.NoError(t, by.End(reader.Reset))
			assert.Equal(t, 1, transmit(t, by), "no error after its own reset")
		},
		"drop in a transaction": func(t *testing.T, _ *reader.Set, by *reader.Conn) {
			require.NoError(t, by.Begin(ctx))
			by.Drop()
		},
		"from outside": func(t *testing.T, set *reader.Set, _ *reader.Conn) { require.NoError(t, set.Reset(name)) },
	}
	for how, reset := range resets {
		t.Run(how, func(t *testing.T) {
			set, _ := inserted(t)
			by, other := connect(t, set, reader.Mode{}), connect(t, set, reader.Mode{})
			for range 3 {
				transmit(t, other)
			}
			reset(t, set, by)

			_, err := other.Transmit(command)
			assert.ErrorIs(t, err, driver.ResetCard)
			assert.ErrorIs(t, other.Begin(ctx), driver.ResetCard)
			assert.ErrorIs(t, other.End(reader.Leave), driver.ResetCard)
			_, err = other.Status()
			assert.ErrorIs(t, err, driver.ResetCard)

			require.NoError(t, other.Reconnect(ctx, reader.Mode{}, reader.Leave))
			assert.LessOrEqual(t, transmit(t, other), 2, "the card was reset")
			assert.Equal(t, uint32(1), state(t, set).Events, "a reset is not an event")
		})
	}
}

func TestDropOutsideATransactionDoesNotReset(t *testing.T) {
	set, _ := inserted(t)
	dropped, other := connect(t, set, reader.Mode{}), connect(t, set, reader.Mode{})
	assert.Equal(t, 1, transmit(t, other))
	dropped.Drop()
	dropped.Drop()
	assert.Equal(t, 2, transmit(t, other))
}

func TestConnectionsFailAfterRemoval(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	require.NoError(t, c.Begin(t.Context()))
	require.NoError(t, set.Remove(name))
	for range 2 {
		_, err := c.Transmit(command)
		assert.ErrorIs(t, err, driver.RemovedCard)
		assert.ErrorIs(t, c.End(reader.Leave), driver.RemovedCard)
		assert.ErrorIs(t, c.Reconnect(t.Context(), reader.Mode{}, reader.Leave), driver.NoSmartcard)
	}
	require.NoError(t, set.Insert(name, card))
	_, err := c.Transmit(command)
	assert.ErrorIs(t, err, driver.RemovedCard, "also with the same card inserted again")

	require.NoError(t, c.Reconnect(t.Context(), reader.Mode{}, reader.Leave))
	assert.Equal(t, 1, transmit(t, c), "as in pcscd, an old handle reconnects to the next card")
}

func TestCloseWithResetDoesNotResetTheNextCard(t *testing.T) {
	set, card := inserted(t)
	old := connect(t, set, reader.Mode{})
	require.NoError(t, set.Remove(name))
	require.NoError(t, set.Insert(name, card))
	c := connect(t, set, reader.Mode{})
	assert.Equal(t, 1, transmit(t, c))
	require.NoError(t, old.Close(reader.Reset))
	assert.Equal(t, 2, transmit(t, c))
}

func TestCardMuteAfterAReset(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	card.atr = nil
	assert.ErrorIs(t, c.Reconnect(t.Context(), reader.Mode{}, reader.Reset), driver.UnresponsiveCard)
	assert.True(t, state(t, set).Mute)
}

func TestReconnectChangesSharing(t *testing.T) {
	set, _ := inserted(t)
	ctx, c := t.Context(), connect(t, set, reader.Mode{})
	other := connect(t, set, reader.Mode{})
	assert.ErrorIs(t, c.Reconnect(ctx, reader.Mode{Exclusive: true}, reader.Leave), driver.SharingViolation)
	require.NoError(t, other.Close(reader.Leave))
	require.NoError(t, c.Reconnect(ctx, reader.Mode{Exclusive: true}, reader.Leave))
	assert.Equal(t, -1, state(t, set).Sharing)
	require.NoError(t, c.Reconnect(ctx, reader.Mode{}, reader.Leave))
	assert.Equal(t, 1, state(t, set).Sharing)
	assert.ErrorIs(t, c.Reconnect(ctx, reader.Mode{Protocols: reader.T0}, reader.Leave), driver.ProtoMismatch)
}

func TestClosedConnectionIsAnInvalidHandle(t *testing.T) {
	set, _ := inserted(t)
	c := connect(t, set, reader.Mode{})
	require.NoError(t, c.Close(reader.Leave))
	require.NoError(t, c.Close(reader.Reset), "twice")
	_, err := c.Transmit(command)
	assert.ErrorIs(t, err, driver.InvalidHandle)
	assert.ErrorIs(t, c.Begin(t.Context()), driver.InvalidHandle)
	assert.ErrorIs(t, c.End(reader.Leave), driver.InvalidHandle)
	assert.ErrorIs(t, c.Reconnect(t.Context(), reader.Mode{}, reader.Leave), driver.InvalidHandle)
	_, err = c.Status()
	assert.ErrorIs(t, err, driver.InvalidHandle)
}

func TestLengthsOfCommandsAndResponses(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	_, err := c.Transmit([]byte{0, 1, 2})
	assert.ErrorIs(t, err, driver.InvalidParameter)
	_, err = c.Transmit(make([]byte, 4+3+65535+2+1))
	assert.ErrorIs(t, err, driver.InsufficientBuffer)
	assert.Zero(t, card.commands)
	_, err = c.Transmit(make([]byte, 4+3+65535+2))
	assert.NoError(t, err)

	set = reader.New(name)
	require.NoError(t, set.Insert(name, tooLong{}))
	_, err = connect(t, set, reader.Mode{}).Transmit(command)
	assert.ErrorIs(t, err, driver.InsufficientBuffer)
}

// tooLong responds with more than an extended length response can have.
type tooLong struct{}

func (tooLong) ATR() []byte            { return []byte{0x3B, 0x00} }
func (tooLong) Reset()                 {}
func (tooLong) Transmit([]byte) []byte { return bytes.Repeat([]byte{0x90}, 65536+3) }

func TestResponseOfARemovedCardIsAnError(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	started, proceed := make(chan struct{}), make(chan struct{})
	card.during = func() { close(started); <-proceed }
	result := make(chan error)
	go func() {
		_, err := c.Transmit(command)
		result <- err
	}()
	<-started
	_, changed, err := set.Snapshot()
	require.NoError(t, err)
	removed := make(chan error)
	go func() { removed <- set.Remove(name) }()
	<-changed
	assert.False(t, state(t, set).Present, "removed before the exchange ends")
	close(proceed)
	assert.ErrorIs(t, <-result, driver.RemovedCard)
	assert.NoError(t, <-removed)
	assert.Zero(t, card.commands, "reset after the exchange")
}

func TestIntercept(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	set.Intercept(func(r string, cmd []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		assert.Equal(t, name, r)
		response, err := send(cmd)
		return append(response, 0xAA), err
	})
	response, err := c.Transmit(command)
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 0x90, 0x00, 0xAA}, response)

	set.Intercept(func(string, []byte, func([]byte) ([]byte, error)) ([]byte, error) {
		return nil, driver.CommDataLost
	})
	_, err = c.Transmit(command)
	assert.ErrorIs(t, err, driver.CommDataLost)
	assert.Equal(t, byte(1), card.commands, "the second command did not reach the card")

	set.Intercept(func(_ string, cmd []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		response, err := send(cmd)
		require.NoError(t, set.Reset(name))
		return response, err
	})
	_, err = c.Transmit(command)
	assert.ErrorIs(t, err, driver.ResetCard, "the reset discards the response")

	set.Intercept(nil)
	require.NoError(t, c.Reconnect(context.Background(), reader.Mode{}, reader.Leave))
	assert.Equal(t, 1, transmit(t, c))
}
