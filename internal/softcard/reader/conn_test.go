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

func TestConnectSaysWhyNot(t *testing.T) {
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

func TestTheProtocolIsThatOfTheCard(t *testing.T) {
	tests := []struct {
		name   string
		atr    []byte
		wanted reader.Protocols
		got    reader.Protocols
	}{
		{"no TD1 is T=0", []byte{0x3B, 0x00}, 0, reader.T0},
		{"TA1 and TC1 before TD1", []byte{0x3B, 0xD0, 0x11, 0xFF, 0x01, 0x00}, 0, reader.T1},
		{"both, T=1 goes first", []byte{0x3B, 0x80, 0x80, 0x01, 0x01}, 0, reader.T1},
		{"both, only T=0 wanted", []byte{0x3B, 0x80, 0x80, 0x01, 0x01}, reader.T0, reader.T0},
		{"T=15 after T=0 is no protocol", []byte{0x3B, 0x80, 0x80, 0x1F, 0x00}, 0, reader.T0},
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
			assert.ErrorIs(t, err, driver.ProtoMismatch, "the first connection chose")
		})
	}
}

func TestResetByOneConnectionIsTakenNoteOfByTheOthers(t *testing.T) {
	ctx := t.Context()
	resets := map[string]func(*testing.T, *reader.Set, *reader.Conn){
		"close with reset":   func(t *testing.T, _ *reader.Set, by *reader.Conn) { require.NoError(t, by.Close(reader.Reset)) },
		"close with unpower": func(t *testing.T, _ *reader.Set, by *reader.Conn) { require.NoError(t, by.Close(reader.Unpower)) },
		"reconnect with reset": func(t *testing.T, _ *reader.Set, by *reader.Conn) {
			require.NoError(t, by.Reconnect(ctx, reader.Mode{}, reader.Reset))
			assert.Equal(t, 1, answers(t, by), "it knows of its own reset")
		},
		"end of transaction with reset": func(t *testing.T, _ *reader.Set, by *reader.Conn) {
			require.NoError(t, by.Begin(ctx))
			require.NoError(t, by.End(reader.Reset))
			assert.Equal(t, 1, answers(t, by), "it knows of its own reset")
		},
		"death in a transaction": func(t *testing.T, _ *reader.Set, by *reader.Conn) {
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
				answers(t, other)
			}
			reset(t, set, by)

			_, err := other.Transmit(command)
			assert.ErrorIs(t, err, driver.ResetCard)
			assert.ErrorIs(t, other.Begin(ctx), driver.ResetCard)
			assert.ErrorIs(t, other.End(reader.Leave), driver.ResetCard)
			_, err = other.Status()
			assert.ErrorIs(t, err, driver.ResetCard)

			require.NoError(t, other.Reconnect(ctx, reader.Mode{}, reader.Leave))
			assert.LessOrEqual(t, answers(t, other), 2, "the card was reset")
			assert.Equal(t, uint32(1), state(t, set).Events, "a reset is no insertion")
		})
	}
}

func TestTheDeathOfAProgramOutsideATransactionLeavesTheCard(t *testing.T) {
	set, _ := inserted(t)
	dead, other := connect(t, set, reader.Mode{}), connect(t, set, reader.Mode{})
	assert.Equal(t, 1, answers(t, other))
	dead.Drop()
	dead.Drop()
	assert.Equal(t, 2, answers(t, other))
}

func TestARemovedCardStaysRemovedForItsConnections(t *testing.T) {
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
	assert.ErrorIs(t, err, driver.RemovedCard, "the same card is back")

	require.NoError(t, c.Reconnect(t.Context(), reader.Mode{}, reader.Leave))
	assert.Equal(t, 1, answers(t, c), "pcscd lets an old handle have the new card")
}

func TestCloseWithResetSparesTheCardThatCameAfter(t *testing.T) {
	set, card := inserted(t)
	old := connect(t, set, reader.Mode{})
	require.NoError(t, set.Remove(name))
	require.NoError(t, set.Insert(name, card))
	c := connect(t, set, reader.Mode{})
	assert.Equal(t, 1, answers(t, c))
	require.NoError(t, old.Close(reader.Reset))
	assert.Equal(t, 2, answers(t, c))
}

func TestACardMuteAfterAResetIsReported(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	card.atr = nil
	assert.ErrorIs(t, c.Reconnect(t.Context(), reader.Mode{}, reader.Reset), driver.UnresponsiveCard)
	assert.True(t, state(t, set).Mute)
}

func TestReconnectChangesTheSharing(t *testing.T) {
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

func TestAClosedConnectionIsAnInvalidHandle(t *testing.T) {
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

func TestCommandsAndAnswersHaveBounds(t *testing.T) {
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
	require.NoError(t, set.Insert(name, chatty{}))
	_, err = connect(t, set, reader.Mode{}).Transmit(command)
	assert.ErrorIs(t, err, driver.InsufficientBuffer)
}

// chatty answers with more than any reader carries.
type chatty struct{}

func (chatty) ATR() []byte            { return []byte{0x3B, 0x00} }
func (chatty) Reset()                 {}
func (chatty) Transmit([]byte) []byte { return bytes.Repeat([]byte{0x90}, 65536+3) }

func TestTheAnswerOfACardThatIsGoneIsGone(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	inside, goOn := make(chan struct{}), make(chan struct{})
	card.during = func() { close(inside); <-goOn }
	result := make(chan error)
	go func() {
		_, err := c.Transmit(command)
		result <- err
	}()
	<-inside
	_, changed, err := set.Snapshot()
	require.NoError(t, err)
	removed := make(chan error)
	go func() { removed <- set.Remove(name) }()
	<-changed
	assert.False(t, state(t, set).Present, "seen at once, though the exchange goes on")
	close(goOn)
	assert.ErrorIs(t, <-result, driver.RemovedCard)
	assert.NoError(t, <-removed)
	assert.Zero(t, card.commands, "reset after the exchange, not during it")
}

func TestAnInterceptorStandsInForTheCard(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	set.Intercept(func(r string, cmd []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		assert.Equal(t, name, r)
		answer, err := send(cmd)
		return append(answer, 0xAA), err
	})
	answer, err := c.Transmit(command)
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 0x90, 0x00, 0xAA}, answer)

	set.Intercept(func(string, []byte, func([]byte) ([]byte, error)) ([]byte, error) {
		return nil, driver.CommDataLost
	})
	_, err = c.Transmit(command)
	assert.ErrorIs(t, err, driver.CommDataLost)
	assert.Equal(t, byte(1), card.commands, "the second command did not reach the card")

	set.Intercept(func(_ string, cmd []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		answer, err := send(cmd)
		require.NoError(t, set.Reset(name))
		return answer, err
	})
	_, err = c.Transmit(command)
	assert.ErrorIs(t, err, driver.ResetCard, "the answer is lost with the reset")

	set.Intercept(nil)
	require.NoError(t, c.Reconnect(context.Background(), reader.Mode{}, reader.Leave))
	assert.Equal(t, 1, answers(t, c))
}
