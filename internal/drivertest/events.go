package drivertest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// RandomEvents inserts and removes cards at random in empty software readers while
// s waits for changes. Wait must report every change, in order; it may report
// several at once.
func RandomEvents(t *testing.T, s driver.Service, set *reader.Set, names []string) {
	const changes = 1000
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last, err := s.Readers(ctx)
	require.NoError(t, err)
	before := make(map[string]driver.Reader)
	for _, r := range last {
		before[r.Name] = r
	}
	go func() {
		inserted := make(map[string]bool)
		for range changes {
			name := names[rand.IntN(len(names))]
			if inserted[name] {
				assert.NoError(t, set.Remove(name))
			} else {
				assert.NoError(t, set.Insert(name, new(Card)))
			}
			inserted[name] = !inserted[name]
			if rand.IntN(4) == 0 { // so that Wait reports single changes, too
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(1000))*time.Microsecond)
				<-ctx.Done()
				cancel()
			}
		}
	}()

	seen, calls := 0, 0
	for seen < changes {
		now, err := s.Wait(ctx, last)
		require.NoError(t, err, "after %d of %d changes", seen, changes)
		calls++
		fresh := 0
		for i, r := range now {
			require.GreaterOrEqual(t, r.Events, last[i].Events)
			fresh += int(r.Events - last[i].Events)
			turns := r.Events - before[r.Name].Events
			require.Equal(t, turns%2 == 1, r.Present, "a card is present after an odd number of changes")
			require.Equal(t, r.Present, r.ATR != nil)
		}
		require.Positive(t, fresh, "Wait returned without a change")
		seen += fresh
		last = now
	}
	assert.Equal(t, changes, seen)
	assert.Greater(t, calls, changes/100)

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = s.Wait(short, last)
	assert.Equal(t, context.DeadlineExceeded, err, "no further change")
}
