package enumerate_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const manyReaders = 16

func manyCards() (cards []*cardtest.Card) {
	for range manyReaders {
		cards = append(cards, fullCard(4))
	}
	return cards
}

// rounds holds the n-th command of each reader until all readers have sent theirs.
type rounds struct {
	mu      sync.Mutex
	sent    map[string]int
	arrived map[int]int
	all     map[int]chan struct{} // closed when all have arrived
}

func (r *rounds) wait(ctx context.Context, reader string) {
	r.mu.Lock()
	r.sent[reader]++
	n := r.sent[reader]
	if r.all[n] == nil {
		r.all[n] = make(chan struct{})
	}
	all := r.all[n]
	if r.arrived[n]++; r.arrived[n] == manyReaders {
		close(all)
	}
	r.mu.Unlock()
	select {
	case <-all:
	case <-ctx.Done():
	}
}

// TestReadersTakeTheTimeOfOne lists 16 readers, of which none gets its response
// before each has sent the same command: if the readers were read one after another,
// or some of them, it would not end. So 16 take the time of one.
func TestReadersTakeTheTimeOfOne(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	readers := cardtest.NewReaders(manyCards()...)
	f := finderOn(t, readers, nil)
	r := rounds{sent: map[string]int{}, arrived: map[int]int{}, all: map[int]chan struct{}{}}
	readers.OnCommand(func(reader string, _ []byte) { r.wait(ctx, reader) })
	n := 0
	for _, err := range f.All(ctx) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 4*manyReaders, n)
	assert.NoError(t, ctx.Err())
	for _, sent := range r.sent {
		assert.Equal(t, 7, sent)
	}
}

// TestSlowCardDelaysNoOther lists cards of which one does not respond.
func TestSlowCardDelaysNoOther(t *testing.T) {
	readers := cardtest.NewReaders(manyCards()...)
	defer readers.Close() // ends the delay
	f := finderOn(t, readers, nil)
	readers.Fault("Software Reader 15", 1, cardtest.Fault{Delay: time.Hour})
	missing := 4 * (manyReaders - 1)
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		assert.NotEqual(t, "Software Reader 15", c.Reader)
		if missing--; missing == 0 {
			break
		}
	}
	assert.Zero(t, missing)
}

// A callCounter is a driver that notes its calls from an insertion to the first
// command.
type callCounter struct {
	driver.Service
	mu    sync.Mutex
	calls []string // nil before the insertion was reported
	over  bool
}

func (c *callCounter) note(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls != nil && !c.over {
		c.calls = append(c.calls, call)
		c.over = call == "Transmit"
	}
}

func (c *callCounter) Wait(ctx context.Context, last []driver.Reader) ([]driver.Reader, error) {
	c.note("Wait")
	now, err := c.Service.Wait(ctx, last)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && len(now) == 1 && now[0].Present && c.calls == nil {
		c.calls = []string{"inserted"}
	}
	return now, err
}

func (c *callCounter) Readers(ctx context.Context) ([]driver.Reader, error) {
	c.note("Readers")
	return c.Service.Readers(ctx)
}

func (c *callCounter) Connect(ctx context.Context, reader string) (driver.Card, error) {
	c.note("Connect")
	connected, err := c.Service.Connect(ctx, reader)
	if err != nil {
		return nil, err
	}
	return countedCard{connected, c}, nil
}

type countedCard struct {
	driver.Card
	counter *callCounter
}

func (c countedCard) Begin(ctx context.Context) error {
	c.counter.note("Begin")
	return c.Card.Begin(ctx)
}

func (c countedCard) Transmit(command []byte) ([]byte, error) {
	c.counter.note("Transmit")
	return c.Card.Transmit(command)
}

// TestNothingWaitsAfterInsertion counts the calls between the report of an insertion
// and the first command: to connect, to begin, and one look whether the card is still
// there. The next Wait runs beside them.
func TestNothingWaitsAfterInsertion(t *testing.T) {
	readers := cardtest.NewReaders(nil)
	counter := &callCounter{Service: readers.Driver()}
	service := card.NewService(counter, nil)
	f := &enumerate.Finder{Service: service}
	readers.Insert("Software Reader 00", quickCard())
	for event, err := range f.Watch(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, "9A", event.Credential.Container)
		break
	}
	require.NoError(t, service.Close())
	require.NoError(t, readers.Close())
	seen := map[string]int{}
	for _, call := range counter.calls {
		seen[call]++
	}
	t.Log(counter.calls)
	assert.Equal(t, 1, seen["Connect"])
	assert.Equal(t, 1, seen["Begin"])
	assert.Equal(t, 1, seen["Transmit"])
	assert.LessOrEqual(t, seen["Readers"], 1)
	assert.LessOrEqual(t, seen["Wait"], 1)
	assert.Len(t, counter.calls, 1+3+seen["Readers"]+seen["Wait"], fmt.Sprint(counter.calls))
}
