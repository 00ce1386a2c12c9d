package drivertest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func connectErrors(t test) {
	s := t.program()
	for name, want := range map[string]error{
		t.Reader:                 driver.NoSmartcard,
		"another":                driver.UnknownReader,
		t.Reader + "\x00":        driver.UnknownReader,
		"":                       driver.UnknownReader,
		strings.Repeat("n", 200): driver.UnknownReader,
	} {
		_, err := s.Connect(t.ctx, name)
		assert.ErrorIs(t, err, want, "%q", name)
	}
}

func connectExclusive(t test) {
	if t.Exclusive == nil {
		t.Skip("this service has no exclusive connections")
	}
	s := t.program()
	t.insert(s, new(Card))
	release := t.Exclusive()
	assert.True(t, t.state(s).Exclusive)
	_, err := s.Connect(t.ctx, t.Reader)
	assert.ErrorIs(t, err, driver.SharingViolation)
	release()
	t.assertCount(t.connect(s), 1)
}

func transmitSizes(t test) {
	s := t.program()
	t.insert(s, new(Card))
	k := t.connect(s)
	assert.Equal(t, driver.T1, k.Protocol())
	for _, n := range []int{4, 5, 261, 262, 3009, 60000} {
		command := make([]byte, n)
		command[1] = insLength
		response, err := k.Transmit(command)
		require.NoError(t, err, "%d", n)
		assert.Equal(t, []byte{byte(n >> 8), byte(n), 0x90, 0}, response)
	}
	for _, n := range []int{0, 1, 256, 257, 4096, 60000} {
		response, err := k.Transmit([]byte{0, insFill, byte(n >> 8), byte(n)})
		require.NoError(t, err, "%d", n)
		require.Len(t, response, n+2)
		for i, x := range response[:n] {
			if x != byte(i) {
				require.Fail(t, "unexpected byte", "%d of %d", i, n)
			}
		}
		kept := response
		_, err = count(k)
		require.NoError(t, err)
		assert.Equal(t, byte(0x90), kept[n], "a later command does not change it")
	}
	_, err := k.Transmit([]byte{0, 1, 0})
	assert.ErrorIs(t, err, driver.InvalidParameter)
	_, err = k.Transmit(nil)
	assert.ErrorIs(t, err, driver.InvalidParameter)
	_, err = k.Transmit(make([]byte, 1<<17))
	assert.ErrorIs(t, err, driver.InsufficientBuffer)
}

func transmitTruncated(t test) {
	s := t.program()
	t.insert(s, new(Card))
	k := t.connect(s)
	response, err := k.Transmit([]byte{0, insTruncate, 0, 0})
	if err != nil {
		assert.ErrorIs(t, err, driver.NotTransacted)
	} else {
		assert.Less(t, len(response), 2)
	}
}

func beginWaits(t test) {
	s, other := t.program(), t.program()
	t.insert(s, new(Card))
	one, two := t.connect(s), t.connect(other)
	require.NoError(t, two.Begin(t.ctx))
	ended := t.start(func() error { return one.Begin(t.ctx) })
	t.assertCount(two, 1)
	require.NoError(t, two.End(false))
	require.NoError(t, t.result(ended))
	t.assertCount(one, 2)
	require.NoError(t, one.End(false))
	assert.ErrorIs(t, one.End(false), driver.NotTransacted)
	require.NoError(t, two.Begin(t.ctx))
	require.NoError(t, two.End(false))
}

func beginContext(t test) {
	s, other := t.program(), t.program()
	t.insert(s, new(Card))
	one, two := t.connect(s), t.connect(other)
	require.NoError(t, two.Begin(t.ctx))
	ctx, cancel := context.WithTimeout(t.ctx, 50*time.Millisecond)
	defer cancel()
	err := one.Begin(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, driver.SharingViolation)
	t.assertCount(two, 1)
	require.NoError(t, two.End(false))

	require.NoError(t, one.Begin(t.ctx), "the connection is still usable")
	t.assertCount(one, 2)
	require.NoError(t, one.End(false))
	require.NoError(t, two.Begin(t.ctx), "the canceled Begin does not hold the card")
	require.NoError(t, two.End(false))
}

func transmitWaits(t test) {
	s, other := t.program(), t.program()
	t.insert(s, new(Card))
	one, two := t.connect(s), t.connect(other)
	require.NoError(t, two.Begin(t.ctx))
	ended := t.start(func() error {
		_, err := count(one)
		return err
	})
	t.assertCount(two, 1)
	require.NoError(t, two.End(false))
	assert.NoError(t, t.result(ended))
}

func resetByAnother(t test) {
	s, other := t.program(), t.program()
	t.insert(s, new(Card))
	one, two := t.connect(s), t.connect(other)
	t.assertCount(one, 1)
	require.NoError(t, two.Begin(t.ctx))
	require.NoError(t, two.End(true))
	for range 2 {
		assert.ErrorIs(t, one.Begin(t.ctx), driver.ResetCard)
		_, err := count(one)
		assert.ErrorIs(t, err, driver.ResetCard)
	}
	require.NoError(t, one.Reconnect(t.ctx))
	require.NoError(t, one.Begin(t.ctx))
	t.assertCount(one, 1)
	require.NoError(t, one.End(false))
	t.assertCount(two, 2)
}

func reconnectNoReset(t test) {
	s := t.program()
	t.insert(s, new(Card))
	k := t.connect(s)
	t.assertCount(k, 1)
	require.NoError(t, k.Reconnect(t.ctx))
	t.assertCount(k, 2)
}

func ownReset(t test) {
	s := t.program()
	t.insert(s, new(Card))
	k := t.connect(s)
	t.assertCount(k, 1)
	require.NoError(t, k.Begin(t.ctx))
	require.NoError(t, k.End(true))
	t.assertCount(k, 1)
	require.NoError(t, k.Begin(t.ctx))
	require.NoError(t, k.End(true))
	require.NoError(t, k.Begin(t.ctx))
	t.assertCount(k, 1)
	require.NoError(t, k.End(false))
}

func removed(t test) {
	s := t.program()
	t.insert(s, new(Card))
	idle, reconnected := t.connect(s), t.connect(s)
	t.remove(s)
	assert.ErrorIs(t, idle.Begin(t.ctx), driver.RemovedCard)
	assert.ErrorIs(t, reconnected.Reconnect(t.ctx), driver.RemovedCard)
	t.insert(s, new(Card))
	for _, k := range []driver.Card{idle, reconnected} {
		assert.ErrorIs(t, k.Begin(t.ctx), driver.RemovedCard)
		assert.ErrorIs(t, k.Reconnect(t.ctx), driver.RemovedCard)
		_, err := count(k)
		assert.ErrorIs(t, err, driver.RemovedCard)
	}
	t.assertCount(t.connect(s), 1)
}

func replaced(t test) {
	if t.Replace == nil {
		t.Skip("this service has no Replace")
	}
	s := t.program()
	t.insert(s, new(Card))
	last, err := s.Readers(t.ctx)
	require.NoError(t, err)
	idle, holder := t.connect(s), t.connect(s)
	t.assertCount(idle, 1)
	require.NoError(t, holder.Begin(t.ctx))
	ended := t.start(func() error {
		_, err := s.Wait(t.ctx, last)
		return err
	})
	t.Replace(new(Card))
	for _, k := range []driver.Card{idle, holder} {
		for range 2 {
			_, err := count(k)
			assert.ErrorIs(t, err, driver.ReaderUnavailable)
			assert.ErrorIs(t, k.Begin(t.ctx), driver.ReaderUnavailable)
			assert.ErrorIs(t, k.Reconnect(t.ctx), driver.ReaderUnavailable)
		}
	}
	assert.Error(t, holder.End(false))
	now, err := s.Readers(t.ctx)
	require.NoError(t, err)
	assert.True(t, driver.SameCards(last, now), "the states are equal: %+v, %+v", last, now)
	t.assertCount(t.connect(s), 1)
	assert.Empty(t, ended, "Wait sees no change")
	t.Remove()
	assert.NoError(t, t.result(ended))
}

func closeReset(t test) {
	s := t.program()
	t.insert(s, new(Card))
	other := t.connect(s)
	for _, reset := range []bool{true, false} {
		_, err := count(other)
		require.NoError(t, err)
		k, err := s.Connect(t.ctx, t.Reader)
		require.NoError(t, err)
		_, err = count(k)
		require.NoError(t, err)
		require.NoError(t, k.Close(reset))
		require.NoError(t, k.Close(true), "the second call does nothing")
		_, err = count(other)
		if reset {
			require.ErrorIs(t, err, driver.ResetCard)
			require.NoError(t, other.Reconnect(t.ctx))
		} else {
			require.NoError(t, err)
		}
	}
}

func closeEndsBegin(t test) {
	s, other := t.program(), t.program()
	t.insert(s, new(Card))
	one, two := t.connect(s), t.connect(other)
	require.NoError(t, two.Begin(t.ctx))
	ended := t.start(func() error { return one.Begin(t.ctx) })
	require.NoError(t, one.Close(false))
	assert.ErrorIs(t, t.result(ended), driver.InvalidHandle)
	t.assertCount(two, 1)
	require.NoError(t, two.End(false))
	t.assertCount(two, 2)
}

func closeEndsTransmit(t test) {
	for _, reset := range []bool{false, true} {
		s := t.program()
		soft := &Card{hang: make(chan struct{})}
		respond := sync.OnceFunc(func() { close(soft.hang) })
		t.Cleanup(respond) // before the programs are closed
		t.insert(s, soft)
		k := t.connect(s)
		require.NoError(t, k.Begin(t.ctx))
		ended := t.start(func() error {
			_, err := k.Transmit([]byte{0, insHang, 0, 0})
			return err
		})
		begin := time.Now()
		require.NoError(t, k.Close(reset))
		assert.Error(t, t.result(ended))
		assert.Less(t, time.Since(begin), timeout/2, "the card does not respond")
		respond()
		// Removed at once, the card could be missed by a pcscd that still cleans up.
		next := t.connect(s)
		if err := next.Begin(t.ctx); err != driver.ResetCard {
			require.NoError(t, err)
			require.NoError(t, next.End(false))
		}
		require.NoError(t, next.Close(false))
		t.remove(s)
	}
}
