package drivertest

import (
	"context"
	"sync"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func listsReaders(b bench) {
	s := b.program()
	r := b.state(s)
	assert.Equal(b, driver.Reader{Name: b.Reader, Events: r.Events}, r)

	b.insert(s, new(Card))
	now := b.state(s)
	assert.Equal(b, (*Card)(nil).ATR(), now.ATR)
	assert.True(b, now.Present)
	assert.False(b, now.Mute)
	assert.Equal(b, r.Events+1, now.Events)
	k := b.connect(s)
	assert.True(b, b.state(s).InUse)
	assert.False(b, b.state(s).Exclusive)
	require.NoError(b, k.Close(false))
	assert.False(b, b.state(s).InUse)

	b.remove(s)
	now = b.state(s)
	assert.Equal(b, driver.Reader{Name: b.Reader, Events: r.Events + 2}, now, "the answer to reset is gone")
}

func waitTells(b bench) {
	s := b.program()
	known, err := s.Readers(b.ctx)
	require.NoError(b, err)
	before := b.pick(known).Events
	for i := range 2 {
		ended := b.still(func() (err error) {
			known, err = s.Wait(b.ctx, known)
			return err
		})
		if i == 0 {
			b.Insert(new(Card))
		} else {
			b.Remove()
		}
		require.NoError(b, b.end(ended))
		r := b.pick(known)
		assert.Equal(b, i == 0, r.Present)
		assert.Equal(b, before+uint32(i)+1, r.Events)
		list, err := s.Readers(b.ctx)
		require.NoError(b, err)
		assert.Equal(b, known, list)
	}
}

func waitTellsThePast(b bench) {
	s := b.program()
	known, err := s.Readers(b.ctx)
	require.NoError(b, err)
	other := b.program()
	b.insert(other, new(Card))
	b.remove(other)
	now, err := s.Wait(b.ctx, known)
	require.NoError(b, err)
	assert.Equal(b, b.pick(known).Events+2, b.pick(now).Events)

	all, err := s.Wait(b.ctx, nil)
	require.NoError(b, err)
	assert.Equal(b, now, all)
}

func useIsNoChange(b bench) {
	s := b.program()
	b.insert(s, new(Card))
	known, err := s.Readers(b.ctx)
	require.NoError(b, err)
	ended := b.still(func() error {
		_, err := s.Wait(b.ctx, known)
		return err
	})
	other := b.program()
	for range 3 {
		k, err := other.Connect(b.ctx, b.Reader)
		require.NoError(b, err)
		require.NoError(b, k.Begin(b.ctx))
		require.NoError(b, k.End(false))
		require.NoError(b, k.Close(false))
	}
	assert.Empty(b, ended)
	b.Remove()
	assert.NoError(b, b.end(ended))
}

func waitEnds(b bench) {
	s := b.program()
	known, err := s.Readers(b.ctx)
	require.NoError(b, err)
	for range 3 {
		ctx, cancel := context.WithCancel(b.ctx)
		ended := b.still(func() error {
			_, err := s.Wait(ctx, known)
			return err
		})
		cancel()
		assert.Equal(b, context.Canceled, b.end(ended))
	}
	b.insert(s, new(Card)) // the service is as good as before
}

func waitEndsWithClose(b bench) {
	s := b.Program()
	known, err := s.Readers(b.ctx)
	require.NoError(b, err)
	ended := b.still(func() error {
		_, err := s.Wait(b.ctx, known)
		return err
	})
	require.NoError(b, s.Close())
	assert.True(b, closed(b.end(ended)))
}

func questionsDoNotWait(b bench) {
	s := b.program()
	b.insert(s, new(Card))
	known, err := s.Readers(b.ctx)
	require.NoError(b, err)
	var waits []<-chan error
	for range 3 {
		waits = append(waits, b.still(func() error {
			_, err := s.Wait(b.ctx, known)
			return err
		}))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				list, err := s.Readers(b.ctx)
				assert.NoError(b, err)
				assert.Len(b, list, len(known))
				k, err := s.Connect(b.ctx, b.Reader)
				if !assert.NoError(b, err) {
					return
				}
				_, err = count(k)
				assert.NoError(b, err)
				assert.NoError(b, k.Close(false))
			}
		})
	}
	all.Wait()
	b.Remove()
	for _, ended := range waits {
		assert.NoError(b, b.end(ended))
	}
}
