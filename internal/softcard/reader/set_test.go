package reader_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

func TestSnapshot(t *testing.T) {
	set := reader.New(name)
	assert.Equal(t, reader.State{Name: name}, state(t, set))

	card := newCounter()
	require.NoError(t, set.Insert(name, card))
	want := reader.State{Name: name, Events: 1, Present: true, ATR: card.atr}
	assert.Equal(t, want, state(t, set), "inserted")

	a := connect(t, set, reader.Mode{})
	b := connect(t, set, reader.Mode{})
	want.Sharing, want.Protocol = 2, reader.T1
	assert.Equal(t, want, state(t, set), "two connections")

	require.NoError(t, a.Close(reader.Leave))
	require.NoError(t, b.Close(reader.Leave))
	connect(t, set, reader.Mode{Exclusive: true})
	want.Sharing = -1
	assert.Equal(t, want, state(t, set), "exclusive")

	require.NoError(t, set.Remove(name))
	assert.Equal(t, reader.State{Name: name, Events: 2, Sharing: -1}, state(t, set), "removed under its connection")
}

func TestEveryChangeClosesTheChannelOfSnapshot(t *testing.T) {
	set, card := inserted(t)
	var conn *reader.Conn
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"connect", func() (err error) { conn, err = set.Connect(name, reader.Mode{}); return }},
		{"disconnect", func() error { return conn.Close(reader.Leave) }},
		{"remove", func() error { return set.Remove(name) }},
		{"insert", func() error { return set.Insert(name, card) }},
		{"another ATR after a reset", func() error { card.atr = []byte{0x3B, 0x00}; return set.Reset(name) }},
		{"add a reader", func() error { return set.Add("other") }},
		{"detach a reader", func() error { return set.Detach("other") }},
		{"stop", func() error { set.Stop(); return nil }},
		{"start", func() error { set.Start(); return nil }},
	} {
		_, changed, _ := set.Snapshot()
		require.NoError(t, step.do(), step.name)
		select {
		case <-changed:
		default:
			t.Errorf("%s: the channel is still open", step.name)
		}
	}
}

func TestRemoveFromAnEmptyReaderIsNoChange(t *testing.T) {
	set := reader.New(name)
	_, changed, err := set.Snapshot()
	require.NoError(t, err)
	require.NoError(t, set.Remove(name))
	select {
	case <-changed:
		t.Error("the channel is closed")
	default:
	}
	assert.Zero(t, state(t, set).Events)
}

func TestErrorsOfSet(t *testing.T) {
	set, card := inserted(t)
	assert.ErrorContains(t, set.Add(name), "exists already")
	assert.ErrorContains(t, set.Add(""), "0 bytes")
	assert.ErrorContains(t, set.Add(strings.Repeat("n", 128)), "128 bytes")
	assert.ErrorContains(t, set.Insert(name, card), "holds a card already")
	assert.ErrorIs(t, set.Insert("nowhere", card), driver.UnknownReader)
	assert.ErrorIs(t, set.Remove("nowhere"), driver.UnknownReader)
	assert.ErrorIs(t, set.Detach("nowhere"), driver.UnknownReader)
	assert.ErrorIs(t, set.Reset("nowhere"), driver.UnknownReader)
	require.NoError(t, set.Remove(name))
	assert.ErrorIs(t, set.Reset(name), driver.NoSmartcard)
	assert.Panics(t, func() { reader.New(name, name) })
}

func TestCardLosesItsStateWithItsLastConnection(t *testing.T) {
	set, _ := inserted(t)
	a := connect(t, set, reader.Mode{})
	b := connect(t, set, reader.Mode{})
	assert.Equal(t, 1, transmit(t, a))
	require.NoError(t, a.Close(reader.Leave))
	assert.Equal(t, 2, transmit(t, b), "b keeps it powered")
	require.NoError(t, b.Close(reader.Leave))
	assert.Equal(t, 1, transmit(t, connect(t, set, reader.Mode{})))
}

func TestPowerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, card := inserted(t)
		set.PowerDown = 5 * time.Second
		pause := func(d time.Duration) { <-time.After(d); synctest.Wait() }

		a := connect(t, set, reader.Mode{})
		assert.Equal(t, 1, transmit(t, a))
		require.NoError(t, a.Close(reader.Leave))
		pause(4 * time.Second)
		b := connect(t, set, reader.Mode{})
		pause(4 * time.Second)
		assert.Equal(t, 2, transmit(t, b), "in time, and in use")
		require.NoError(t, b.Close(reader.Leave))
		pause(6 * time.Second)
		assert.Equal(t, 1, transmit(t, connect(t, set, reader.Mode{})), "too late")

		require.NoError(t, set.Remove(name))
		before := card.resets
		pause(6 * time.Second)
		assert.Equal(t, before, card.resets, "a removed card has no timer")
	})
}

func TestCardWithoutATRIsMute(t *testing.T) {
	for what, atr := range map[string][]byte{
		"no byte":     nil,
		"one byte":    {0x3B},
		"34 bytes":    make([]byte, 34),
		"only header": {0x3B},
	} {
		set := reader.New(name)
		require.NoError(t, set.Insert(name, &counter{atr: atr}))
		assert.Equal(t, reader.State{Name: name, Events: 1, Present: true, Mute: true}, state(t, set), what)
		_, err := set.Connect(name, reader.Mode{})
		assert.ErrorIs(t, err, driver.UnresponsiveCard, what)
	}
}

func TestStopEndsConnectionsAndStartCountsInsertions(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	assert.Equal(t, 1, transmit(t, c))
	set.Stop()
	set.Stop()

	_, err := c.Transmit(command)
	assert.ErrorIs(t, err, driver.ServiceStopped)
	_, err = set.Connect(name, reader.Mode{})
	assert.ErrorIs(t, err, driver.NoService)
	_, _, err = set.Snapshot()
	assert.ErrorIs(t, err, driver.NoService)
	assert.Zero(t, card.commands, "no service, no power")

	set.Start()
	set.Start()
	assert.Equal(t, reader.State{Name: name, Events: 2, Present: true, ATR: card.atr}, state(t, set))
	_, err = c.Transmit(command)
	assert.ErrorIs(t, err, driver.ServiceStopped, "the old connection stays ended")
	assert.NoError(t, c.Close(reader.Reset))
	assert.Equal(t, 1, transmit(t, connect(t, set, reader.Mode{})))
}

func TestDetachRemovesTheCard(t *testing.T) {
	set, card := inserted(t)
	c := connect(t, set, reader.Mode{})
	before := card.resets
	require.NoError(t, set.Detach(name))
	_, err := c.Transmit(command)
	assert.ErrorIs(t, err, driver.ReaderUnavailable)
	_, err = set.Connect(name, reader.Mode{})
	assert.ErrorIs(t, err, driver.UnknownReader)
	assert.Equal(t, before+1, card.resets)
}

func TestPlugCountsNoEvent(t *testing.T) {
	set, card := reader.New(), newCounter()
	require.NoError(t, set.Plug(name, card))
	assert.Equal(t, reader.State{Name: name, Present: true, ATR: card.atr}, state(t, set))
	assert.Equal(t, 1, transmit(t, connect(t, set, reader.Mode{})))
	assert.Equal(t, 1, card.resets, "power")

	require.NoError(t, set.Detach(name))
	require.NoError(t, set.Plug(name, newCounter()))
	assert.Equal(t, reader.State{Name: name, Present: true, ATR: card.atr}, state(t, set), "another token in an equal state")
	require.NoError(t, set.Remove(name))
	assert.EqualValues(t, 1, state(t, set).Events)
}

func TestReplaceChangesOnlyTheCard(t *testing.T) {
	set, card := inserted(t)
	require.NoError(t, set.SetPad(name, func() []string { return []string{"123456"} }))
	before, changed, err := set.Snapshot()
	require.NoError(t, err)
	idle, holder := connect(t, set, reader.Mode{}), connect(t, set, reader.Mode{})
	require.NoError(t, holder.Begin(t.Context()))
	resets := card.resets
	next := newCounter()
	require.NoError(t, set.Replace(name, next))

	<-changed
	assert.Equal(t, before[0], state(t, set))
	assert.Equal(t, resets+1, card.resets, "the old card lost its power")
	for _, c := range []*reader.Conn{idle, holder} {
		_, err := c.Transmit(command)
		assert.ErrorIs(t, err, driver.ReaderUnavailable)
		assert.ErrorIs(t, c.Begin(t.Context()), driver.ReaderUnavailable)
		assert.ErrorIs(t, c.Reconnect(t.Context(), reader.Mode{}, reader.Leave), driver.ReaderUnavailable)
		assert.NoError(t, c.Close(reader.Reset))
	}
	c := connect(t, set, reader.Mode{Exclusive: true})
	assert.Equal(t, 1, transmit(t, c))
	assert.EqualValues(t, 1, next.commands)
	assert.NotNil(t, c.Features(), "the keypad stays")

	assert.ErrorIs(t, set.Replace("nowhere", card), driver.UnknownReader)
	require.NoError(t, set.Remove(name))
	assert.ErrorIs(t, set.Replace(name, card), driver.NoSmartcard)
}

func TestEventCountersWrap(t *testing.T) {
	set, card := inserted(t)
	for range 0x7FFF {
		require.NoError(t, set.Remove(name))
		require.NoError(t, set.Insert(name, card))
	}
	require.NoError(t, set.Remove(name))
	assert.Zero(t, state(t, set).Events)
}
