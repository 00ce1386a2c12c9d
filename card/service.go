package card

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Options configure a [Service]. The zero value is the default, and so is nil.
type Options struct {
	// Logger logs every command and response at level Debug, without those of
	// PINs and keys. Nil logs nothing.
	Logger *slog.Logger

	// BusyTimeout is how long a transaction waits for another program to
	// release the card before the error is ErrBusy. Zero means 10 seconds. The
	// context can end the wait earlier.
	BusyTimeout time.Duration

	// MaxCommand and MaxResponse bound what is sent and asked for in one
	// exchange, for readers that lose longer ones: the bytes of a command APDU,
	// 32 or more, and the bytes of response data (Le). Zero means what the
	// protocol allows. With either of them extended length is not used.
	MaxCommand, MaxResponse int
}

// leastCommand is the smallest MaxCommand: below it the identifier of an application does
// not fit.
const leastCommand = 32

// A Service is a set of readers: those of the machine (package pcsc), software
// readers (package cardtest) or those of another driver. It is safe for concurrent
// use.
type Service struct {
	driver  driver.Service
	options Options
	refused refusals

	closing context.Context // ends when Close is called
	close   context.CancelCauseFunc
	running sync.WaitGroup // transactions, and calls that they left behind

	mu      sync.Mutex // guards the rest
	closed  bool
	lanes   map[string]*lane
	limits  map[limitKey]limit
	sizes   map[string]int   // by reader: see readerSize
	passes  map[string]int   // by reader: bytes of data that it passed in one APDU
	cards   map[string]*Card // the current one of each reader
	epochs  uint64           // the last number
	serials uint64           // the last number of a Card
	watches map[*watch]struct{}
}

// NewService returns a Service that uses a driver, and closes it. It does not call
// the driver before the first use.
func NewService(d driver.Service, o *Options) *Service {
	s := &Service{
		driver: d,
		lanes:  make(map[string]*lane),
		limits: make(map[limitKey]limit),
		sizes:  make(map[string]int),
		passes: make(map[string]int),
		cards:  make(map[string]*Card),
	}
	if o != nil {
		s.options = *o
	}
	if s.options.BusyTimeout == 0 {
		s.options.BusyTimeout = 10 * time.Second
	}
	s.closing, s.close = context.WithCancelCause(context.Background())
	return s
}

// A Reader is the state of a reader when it was listed.
type Reader struct {
	Name    string
	Present bool // a card is in it
	Mute    bool // the card does not answer to reset
	InUse   bool // this or another program is connected to the card
	ATR     ATR  // of the card; nil if there is none
}

// Readers lists the readers. If there is none, the list is empty and the error is
// nil; on Windows it may be ErrNoService.
func (s *Service) Readers(ctx context.Context) ([]Reader, error) {
	list, err := s.states(ctx)
	if err != nil {
		return nil, wrap("", "list readers", err)
	}
	readers := make([]Reader, 0, len(list))
	for _, r := range list {
		readers = append(readers, Reader{r.Name, r.Present, r.Mute, r.InUse, r.ATR})
	}
	return readers, nil
}

// Card returns the card that is now in the named reader. It does not connect to the
// card. Errors include ErrNoReader, ErrNoCard and ErrMute.
func (s *Service) Card(ctx context.Context, reader string) (*Card, error) {
	const op = "look for a card"
	r, err := s.state(ctx, reader)
	switch {
	case err != nil:
		return nil, wrap(reader, op, err)
	case !r.Present:
		return nil, wrap(reader, op, ErrNoCard)
	case r.Mute:
		return nil, wrap(reader, op, ErrMute)
	}
	return s.card(r), nil
}

// card returns the Card for the state of a reader, a new one if another card was
// inserted. A new one because of the ATR alone is noted: a watch that does not see
// this ATR would go on with the old one.
func (s *Service) card(r driver.Reader) *Card {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.cards[r.Name]
	if old != nil && old.events == r.Events {
		if bytes.Equal(old.atr, r.ATR) {
			return old
		}
		s.wakeWatches(func(w *watch) { w.addReset(old) })
	}
	s.serials++
	c := &Card{service: s, reader: r.Name, events: r.Events, atr: r.ATR, serial: s.serials}
	s.cards[r.Name] = c
	return c
}

// closeTimeout is how long Close waits for transactions before it closes their
// connections, and once more after that.
const closeTimeout = 5 * time.Second

// Close ends the context of every transaction with ErrClosed, waits until none is
// left, and closes the driver. A card whose PIN is still verified is reset. If a card
// does not respond within 5 seconds, its connection is closed; Close returns after
// 10 seconds at the latest. A second Close does nothing.
func (s *Service) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()

	s.close(ErrClosed)
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	if !within(closeTimeout, done) {
		for _, l := range s.allLanes() {
			l.abort(l.currentUse())
		}
		within(closeTimeout, done)
	}
	for _, l := range s.allLanes() {
		l.dropAll()
	}
	return wrap("", "close", s.driver.Close())
}

// within reports whether done is closed in time.
func within(d time.Duration, done <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// enter registers a transaction, for which Close waits.
func (s *Service) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.running.Add(1)
	return nil
}

func (s *Service) states(ctx context.Context) ([]driver.Reader, error) {
	if s.closing.Err() != nil {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.driver.Readers(ctx)
}

func (s *Service) state(ctx context.Context, reader string) (driver.Reader, error) {
	list, err := s.states(ctx)
	if err != nil {
		return driver.Reader{}, err
	}
	for _, r := range list {
		if r.Name == reader {
			return r, nil
		}
	}
	return driver.Reader{}, ErrNoReader
}

// newEpoch returns a new number for [Tx.Epoch].
func (s *Service) newEpoch() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epochs++
	return s.epochs
}

func (s *Service) lane(reader string) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.lanes[reader]
	if !ok {
		l = &lane{turn: make(chan struct{}, 1)}
		s.lanes[reader] = l
	}
	return l
}

func (s *Service) allLanes() []*lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.lanes))
}
