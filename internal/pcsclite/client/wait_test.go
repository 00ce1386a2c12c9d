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

func TestWaitReturnsAtOnceWhatIsNotKnown(t *testing.T) {
	set, card := one(t)
	s := open(t, &server.Server{Readers: set})
	now, err := s.Readers(t.Context())
	require.NoError(t, err)
	changed := func(f func(*driver.Reader)) []driver.Reader {
		r := now[0]
		f(&r)
		return []driver.Reader{r}
	}
	for name, known := range map[string][]driver.Reader{
		"nothing known":       nil,
		"another name":        changed(func(r *driver.Reader) { r.Name = "Q" }),
		"another event count": changed(func(r *driver.Reader) { r.Events++ }),
		"no card":             changed(func(r *driver.Reader) { r.Present, r.ATR = false, nil }),
		"mute":                changed(func(r *driver.Reader) { r.Mute = true }),
		"another ATR":         changed(func(r *driver.Reader) { r.ATR = []byte{0x3B, 0} }),
		"one reader more":     append(changed(func(*driver.Reader) {}), driver.Reader{Name: "Q"}),
	} {
		t.Run(name, func(t *testing.T) {
			list, err := s.Wait(t.Context(), known)
			require.NoError(t, err)
			assert.Equal(t, []driver.Reader{{Name: "R", Events: 1, Present: true, ATR: card.ATR()}}, list)
		})
	}
}

func TestWaitTellsWhenTheLastReaderGoes(t *testing.T) {
	set := reader.New("R")
	s := open(t, &server.Server{Readers: set})
	known, err := s.Readers(t.Context())
	require.NoError(t, err)
	require.Len(t, known, 1)
	require.NoError(t, set.Detach("R"))
	list, err := s.Wait(t.Context(), known)
	assert.NoError(t, err)
	assert.Empty(t, list)
}

func TestUseOfACardIsNoChange(t *testing.T) {
	set, _ := one(t)
	s := open(t, &server.Server{Readers: set})
	known, err := s.Readers(t.Context())
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
	_, err = s.Wait(ctx, known)
	assert.Equal(t, context.DeadlineExceeded, err)
	user.Wait()
}

func TestWaitsDoNotHoldUpOthers(t *testing.T) {
	set, _ := one(t)
	s := open(t, &server.Server{Readers: set})
	known, err := s.Readers(t.Context())
	require.NoError(t, err)
	var waits sync.WaitGroup
	for range 20 {
		waits.Go(func() {
			list, err := s.Wait(t.Context(), known)
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

// BenchmarkEvent measures from the moment a card goes in or out to the moment a
// waiting program knows.
func BenchmarkEvent(b *testing.B) {
	set, card := one(b)
	s := open(b, &server.Server{Readers: set})
	known, err := s.Readers(b.Context())
	require.NoError(b, err)
	type result struct {
		list []driver.Reader
		at   time.Time
	}
	start, results := make(chan []driver.Reader), make(chan result)
	go func() {
		for known := range start {
			list, err := s.Wait(b.Context(), known)
			assert.NoError(b, err)
			results <- result{list, time.Now()}
		}
	}()
	defer close(start)
	var total time.Duration
	for b.Loop() {
		b.StopTimer()
		start <- known
		settle(b)
		b.StartTimer()
		begun := time.Now()
		if known[0].Present {
			require.NoError(b, set.Remove("R"))
		} else {
			require.NoError(b, set.Insert("R", card))
		}
		r := <-results
		total += r.at.Sub(begun)
		known = r.list
	}
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "µs/event")
}

// settle gives the other goroutine time to wait indeed.
func settle(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Millisecond)
	defer cancel()
	<-ctx.Done()
}

// BenchmarkSection measures the least that a program does with a card.
func BenchmarkSection(b *testing.B) {
	set, _ := one(b)
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
