package drivertest

import (
	"context"
	"sync"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readers(t test) {
	s := t.program()
	r := t.state(s)
	assert.Equal(t, driver.Reader{Name: t.Reader, Events: r.Events}, r)

	t.insert(s, new(Card))
	now := t.state(s)
	assert.Equal(t, (*Card)(nil).ATR(), now.ATR)
	assert.True(t, now.Present)
	assert.False(t, now.Mute)
	assert.Equal(t, r.Events+1, now.Events)
	k := t.connect(s)
	assert.True(t, t.state(s).InUse)
	assert.False(t, t.state(s).Exclusive)
	require.NoError(t, k.Close(false))
	assert.False(t, t.state(s).InUse)

	t.remove(s)
	now = t.state(s)
	assert.Equal(t, driver.Reader{Name: t.Reader, Events: r.Events + 2}, now, "without ATR")
}

func waitEvents(t test) {
	s := t.program()
	last, err := s.Readers(t.ctx)
	require.NoError(t, err)
	before := t.pick(last).Events
	for i := range 2 {
		ended := t.start(func() (err error) {
			last, err = s.Wait(t.ctx, last)
			return err
		})
		if i == 0 {
			t.Insert(new(Card))
		} else {
			t.Remove()
		}
		require.NoError(t, t.result(ended))
		r := t.pick(last)
		assert.Equal(t, i == 0, r.Present)
		assert.Equal(t, before+uint32(i)+1, r.Events)
		list, err := s.Readers(t.ctx)
		require.NoError(t, err)
		assert.Equal(t, last, list)
	}
}

func waitPastEvents(t test) {
	s := t.program()
	last, err := s.Readers(t.ctx)
	require.NoError(t, err)
	other := t.program()
	t.insert(other, new(Card))
	t.remove(other)
	now, err := s.Wait(t.ctx, last)
	require.NoError(t, err)
	assert.Equal(t, t.pick(last).Events+2, t.pick(now).Events)

	all, err := s.Wait(t.ctx, nil)
	require.NoError(t, err)
	assert.Equal(t, now, all)
}

func waitIgnoresUse(t test) {
	s := t.program()
	t.insert(s, new(Card))
	last, err := s.Readers(t.ctx)
	require.NoError(t, err)
	ended := t.start(func() error {
		_, err := s.Wait(t.ctx, last)
		return err
	})
	other := t.program()
	for range 3 {
		k, err := other.Connect(t.ctx, t.Reader)
		require.NoError(t, err)
		require.NoError(t, k.Begin(t.ctx))
		require.NoError(t, k.End(false))
		require.NoError(t, k.Close(false))
	}
	assert.Empty(t, ended)
	t.Remove()
	assert.NoError(t, t.result(ended))
}

func waitContext(t test) {
	s := t.program()
	last, err := s.Readers(t.ctx)
	require.NoError(t, err)
	for range 3 {
		ctx, cancel := context.WithCancel(t.ctx)
		ended := t.start(func() error {
			_, err := s.Wait(ctx, last)
			return err
		})
		cancel()
		assert.Equal(t, context.Canceled, t.result(ended))
	}
	t.insert(s, new(Card)) // the service is still usable
}

func waitClose(t test) {
	s := t.Program()
	last, err := s.Readers(t.ctx)
	require.NoError(t, err)
	ended := t.start(func() error {
		_, err := s.Wait(t.ctx, last)
		return err
	})
	require.NoError(t, s.Close())
	assert.True(t, isClosed(t.result(ended)))
}

func callsDuringWaits(t test) {
	s := t.program()
	t.insert(s, new(Card))
	last, err := s.Readers(t.ctx)
	require.NoError(t, err)
	var waits []<-chan error
	for range 3 {
		waits = append(waits, t.start(func() error {
			_, err := s.Wait(t.ctx, last)
			return err
		}))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				list, err := s.Readers(t.ctx)
				assert.NoError(t, err)
				assert.Len(t, list, len(last))
				k, err := s.Connect(t.ctx, t.Reader)
				if !assert.NoError(t, err) {
					return
				}
				_, err = count(k)
				assert.NoError(t, err)
				assert.NoError(t, k.Close(false))
			}
		})
	}
	all.Wait()
	t.Remove()
	for _, ended := range waits {
		assert.NoError(t, t.result(ended))
	}
}
