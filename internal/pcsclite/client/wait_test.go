package client_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/drivertest"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWaitReturnsDifferenceAtOnce(t *testing.T) {
	set, card := newSet(t)
	s := open(t, &server.Server{Readers: set})
	now, err := s.Readers(t.Context())
	require.NoError(t, err)
	changed := func(f func(*driver.Reader)) []driver.Reader {
		r := now[0]
		f(&r)
		return []driver.Reader{r}
	}
	for name, last := range map[string][]driver.Reader{
		"empty list":          nil,
		"another name":        changed(func(r *driver.Reader) { r.Name = "Q" }),
		"another event count": changed(func(r *driver.Reader) { r.Events++ }),
		"no card":             changed(func(r *driver.Reader) { r.Present, r.ATR = false, nil }),
		"mute":                changed(func(r *driver.Reader) { r.Mute = true }),
		"another ATR":         changed(func(r *driver.Reader) { r.ATR = []byte{0x3B, 0} }),
		"one reader more":     append(changed(func(*driver.Reader) {}), driver.Reader{Name: "Q"}),
	} {
		t.Run(name, func(t *testing.T) {
			list, err := s.Wait(t.Context(), last)
			require.NoError(t, err)
			assert.Equal(t, []driver.Reader{{Name: "R", Events: 1, Present: true, ATR: card.ATR()}}, list)
		})
	}
}

func TestWaitReturnsEmptyList(t *testing.T) {
	set := reader.New("R")
	s := open(t, &server.Server{Readers: set})
	last, err := s.Readers(t.Context())
	require.NoError(t, err)
	require.Len(t, last, 1)
	require.NoError(t, set.Detach("R"))
	list, err := s.Wait(t.Context(), last)
	assert.NoError(t, err)
	assert.Empty(t, list)
}

func TestUseIsNoChange(t *testing.T) {
	set, _ := newSet(t)
	s := open(t, &server.Server{Readers: set})
	last, err := s.Readers(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var user sync.WaitGroup
	user.Go(func() {
		for ctx.Err() == nil {
			k, err := s.Connect(t.Context(), "R")
			if assert.NoError(t, err) {
				assert.NoError(t, k.Close(true))
			}
		}
	})
	_, err = s.Wait(ctx, last)
	assert.Equal(t, context.DeadlineExceeded, err)
	user.Wait()
}

func TestWaitsDoNotDelayCalls(t *testing.T) {
	set, _ := newSet(t)
	s := open(t, &server.Server{Readers: set})
	last, err := s.Readers(t.Context())
	require.NoError(t, err)
	var waits sync.WaitGroup
	for range 20 {
		waits.Go(func() {
			list, err := s.Wait(t.Context(), last)
			assert.NoError(t, err)
			assert.False(t, list[0].Present)
		})
	}
	for range 20 {
		_, err := s.Readers(t.Context())
		require.NoError(t, err)
		k, err := s.Connect(t.Context(), "R")
		require.NoError(t, err)
		require.NoError(t, k.Begin(t.Context()))
		require.NoError(t, k.Close(false))
	}
	require.NoError(t, set.Remove("R"))
	waits.Wait()
}

func TestNoEventIsLostOrInvented(t *testing.T) {
	for _, minor := range []uint32{4, 6} {
		t.Run(fmt.Sprintf("version 4.%d", minor), func(t *testing.T) {
			names := []string{"a", "b", "c"}
			set := reader.New(names...)
			drivertest.RandomEvents(t, open(t, &server.Server{Readers: set, Minor: minor}), set, names)
		})
	}
}

// BenchmarkEvent measures the time from an insertion or removal to the return of
// Wait.
func BenchmarkEvent(b *testing.B) {
	set, card := newSet(b)
	s := open(b, &server.Server{Readers: set})
	last, err := s.Readers(b.Context())
	require.NoError(b, err)
	type result struct {
		list []driver.Reader
		at   time.Time
	}
	lists, results := make(chan []driver.Reader), make(chan result)
	go func() {
		for last := range lists {
			list, err := s.Wait(b.Context(), last)
			assert.NoError(b, err)
			results <- result{list, time.Now()}
		}
	}()
	defer close(lists)
	var total time.Duration
	for b.Loop() {
		b.StopTimer()
		lists <- last
		pause(b)
		b.StartTimer()
		start := time.Now()
		if last[0].Present {
			require.NoError(b, set.Remove("R"))
		} else {
			require.NoError(b, set.Insert("R", card))
		}
		r := <-results
		total += r.at.Sub(start)
		last = r.list
	}
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "µs/event")
}

// BenchmarkTransaction measures a transaction of one command.
func BenchmarkTransaction(b *testing.B) {
	set, _ := newSet(b)
	s := open(b, &server.Server{Readers: set})
	for b.Loop() {
		k, err := s.Connect(b.Context(), "R")
		require.NoError(b, err)
		require.NoError(b, k.Begin(b.Context()))
		_, err = k.Transmit([]byte{0, 1, 0, 0})
		require.NoError(b, err)
		require.NoError(b, k.End(false))
		require.NoError(b, k.Close(false))
	}
}
