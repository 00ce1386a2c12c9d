package drivertest

import (
	"context"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func connectSaysWhyNot(b bench) {
	s := b.program()
	for name, want := range map[string]error{
		b.Reader:                 driver.NoSmartcard,
		"nobody's":               driver.UnknownReader,
		b.Reader + "\x00":        driver.UnknownReader,
		"":                       driver.UnknownReader,
		strings.Repeat("n", 200): driver.UnknownReader,
	} {
		_, err := s.Connect(b.ctx, name)
		assert.ErrorIs(b, err, want, "%q", name)
	}
}

func exclusive(b bench) {
	if b.Exclusive == nil {
		b.Skip("nobody connects exclusively to this service")
	}
	s := b.program()
	b.insert(s, new(Card))
	release := b.Exclusive()
	assert.True(b, b.state(s).Exclusive)
	_, err := s.Connect(b.ctx, b.Reader)
	assert.ErrorIs(b, err, driver.SharingViolation)
	release()
	b.counts(b.connect(s), 1)
}

func sizes(b bench) {
	s := b.program()
	b.insert(s, new(Card))
	k := b.connect(s)
	assert.Equal(b, driver.T1, k.Protocol())
	for _, n := range []int{4, 5, 261, 262, 3009, 60000} {
		command := make([]byte, n)
		command[1] = insLength
		answer, err := k.Transmit(command)
		require.NoError(b, err, "%d", n)
		assert.Equal(b, []byte{byte(n >> 8), byte(n), 0x90, 0}, answer)
	}
	for _, n := range []int{0, 1, 256, 257, 4096, 60000} {
		answer, err := k.Transmit([]byte{0, insFill, byte(n >> 8), byte(n)})
		require.NoError(b, err, "%d", n)
		require.Len(b, answer, n+2)
		for i, x := range answer[:n] {
			if x != byte(i) {
				require.Fail(b, "wrong byte", "%d of %d", i, n)
			}
		}
		kept := answer
		_, err = count(k)
		require.NoError(b, err)
		assert.Equal(b, byte(0x90), kept[n], "the memory is the caller's")
	}
	_, err := k.Transmit([]byte{0, 1, 0})
	assert.ErrorIs(b, err, driver.InvalidParameter)
	_, err = k.Transmit(nil)
	assert.ErrorIs(b, err, driver.InvalidParameter)
	_, err = k.Transmit(make([]byte, 1<<17))
	assert.ErrorIs(b, err, driver.InsufficientBuffer)
}

func halfAnswer(b bench) {
	s := b.program()
	b.insert(s, new(Card))
	k := b.connect(s)
	answer, err := k.Transmit([]byte{0, insCut, 0, 0})
	if err != nil {
		assert.ErrorIs(b, err, driver.NotTransacted)
	} else {
		assert.Less(b, len(answer), 2)
	}
}

func beginWaits(b bench) {
	s, other := b.program(), b.program()
	b.insert(s, new(Card))
	one, two := b.connect(s), b.connect(other)
	require.NoError(b, two.Begin(b.ctx))
	ended := b.still(func() error { return one.Begin(b.ctx) })
	b.counts(two, 1)
	require.NoError(b, two.End(false))
	require.NoError(b, b.end(ended))
	b.counts(one, 2)
	require.NoError(b, one.End(false))
	assert.ErrorIs(b, one.End(false), driver.NotTransacted)
	require.NoError(b, two.Begin(b.ctx))
	require.NoError(b, two.End(false))
}

func beginEnds(b bench) {
	s, other := b.program(), b.program()
	b.insert(s, new(Card))
	one, two := b.connect(s), b.connect(other)
	require.NoError(b, two.Begin(b.ctx))
	ctx, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
	defer cancel()
	assert.Equal(b, context.DeadlineExceeded, one.Begin(ctx))
	b.counts(two, 1)
	require.NoError(b, two.End(false))

	require.NoError(b, one.Begin(b.ctx), "the connection is as good as before")
	b.counts(one, 2)
	require.NoError(b, one.End(false))
	require.NoError(b, two.Begin(b.ctx), "nobody holds the card in secret")
	require.NoError(b, two.End(false))
}

func othersWait(b bench) {
	s, other := b.program(), b.program()
	b.insert(s, new(Card))
	one, two := b.connect(s), b.connect(other)
	require.NoError(b, two.Begin(b.ctx))
	ended := b.still(func() error {
		_, err := count(one)
		return err
	})
	b.counts(two, 1)
	require.NoError(b, two.End(false))
	assert.NoError(b, b.end(ended))
}

func resetIsTold(b bench) {
	s, other := b.program(), b.program()
	b.insert(s, new(Card))
	one, two := b.connect(s), b.connect(other)
	b.counts(one, 1)
	require.NoError(b, two.Begin(b.ctx))
	require.NoError(b, two.End(true))
	for range 2 {
		assert.ErrorIs(b, one.Begin(b.ctx), driver.ResetCard)
		_, err := count(one)
		assert.ErrorIs(b, err, driver.ResetCard)
	}
	require.NoError(b, one.Reconnect(b.ctx))
	require.NoError(b, one.Begin(b.ctx))
	b.counts(one, 1)
	require.NoError(b, one.End(false))
	b.counts(two, 2)
}

func reconnectDoesNotReset(b bench) {
	s := b.program()
	b.insert(s, new(Card))
	k := b.connect(s)
	b.counts(k, 1)
	require.NoError(b, k.Reconnect(b.ctx))
	b.counts(k, 2)
}

func ownReset(b bench) {
	s := b.program()
	b.insert(s, new(Card))
	k := b.connect(s)
	b.counts(k, 1)
	require.NoError(b, k.Begin(b.ctx))
	require.NoError(b, k.End(true))
	b.counts(k, 1)
	require.NoError(b, k.Begin(b.ctx))
	require.NoError(b, k.End(true))
	require.NoError(b, k.Begin(b.ctx))
	b.counts(k, 1)
	require.NoError(b, k.End(false))
}

func removedStaysRemoved(b bench) {
	s := b.program()
	b.insert(s, new(Card))
	idle, renewed := b.connect(s), b.connect(s)
	b.remove(s)
	assert.ErrorIs(b, idle.Begin(b.ctx), driver.RemovedCard)
	assert.ErrorIs(b, renewed.Reconnect(b.ctx), driver.RemovedCard)
	b.insert(s, new(Card))
	for _, k := range []driver.Card{idle, renewed} {
		assert.ErrorIs(b, k.Begin(b.ctx), driver.RemovedCard)
		assert.ErrorIs(b, k.Reconnect(b.ctx), driver.RemovedCard)
		_, err := count(k)
		assert.ErrorIs(b, err, driver.RemovedCard)
	}
	b.counts(b.connect(s), 1)
}

func replacedStaysReplaced(b bench) {
	if b.Replace == nil {
		b.Skip("tokens of this service cannot be exchanged")
	}
	s := b.program()
	b.insert(s, new(Card))
	known, err := s.Readers(b.ctx)
	require.NoError(b, err)
	idle, section := b.connect(s), b.connect(s)
	b.counts(idle, 1)
	require.NoError(b, section.Begin(b.ctx))
	ended := b.still(func() error {
		_, err := s.Wait(b.ctx, known)
		return err
	})
	b.Replace(new(Card))
	for _, k := range []driver.Card{idle, section} {
		for range 2 {
			_, err := count(k)
			assert.ErrorIs(b, err, driver.ReaderUnavailable)
			assert.ErrorIs(b, k.Begin(b.ctx), driver.ReaderUnavailable)
			assert.ErrorIs(b, k.Reconnect(b.ctx), driver.ReaderUnavailable)
		}
	}
	assert.Error(b, section.End(false))
	now, err := s.Readers(b.ctx)
	require.NoError(b, err)
	assert.True(b, driver.SameCards(known, now), "the service cannot tell: %+v, %+v", known, now)
	b.counts(b.connect(s), 1)
	assert.Empty(b, ended, "nor does a wait")
	b.Remove()
	assert.NoError(b, b.end(ended))
}

func closeResets(b bench) {
	s := b.program()
	b.insert(s, new(Card))
	other := b.connect(s)
	for _, reset := range []bool{true, false} {
		_, err := count(other)
		require.NoError(b, err)
		k, err := s.Connect(b.ctx, b.Reader)
		require.NoError(b, err)
		_, err = count(k)
		require.NoError(b, err)
		require.NoError(b, k.Close(reset))
		require.NoError(b, k.Close(true), "the second call does nothing")
		_, err = count(other)
		if reset {
			require.ErrorIs(b, err, driver.ResetCard)
			require.NoError(b, other.Reconnect(b.ctx))
		} else {
			require.NoError(b, err)
		}
	}
}

func closeEndsBegin(b bench) {
	s, other := b.program(), b.program()
	b.insert(s, new(Card))
	one, two := b.connect(s), b.connect(other)
	require.NoError(b, two.Begin(b.ctx))
	ended := b.still(func() error { return one.Begin(b.ctx) })
	require.NoError(b, one.Close(false))
	assert.ErrorIs(b, b.end(ended), driver.InvalidHandle)
	b.counts(two, 1)
	require.NoError(b, two.End(false))
	b.counts(two, 2)
}
