package card

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Options change how a [Service] works. The zero value, and nil, are good.
type Options struct {
	// Logger gets every command and answer at Debug, PINs and keys masked.
	// Nil logs nothing.
	Logger *slog.Logger

	// BusyTimeout is how long a section waits for other programs to let go of
	// the card before it ends with ErrBusy. Zero means 10 seconds. A context
	// can end the wait sooner.
	BusyTimeout time.Duration
}

// A Service is a set of readers: the machine's own (package pcsc), software
// readers (package cardtest) or those of any other driver. It is safe for
// concurrent use.
type Service struct {
	driver  driver.Service
	options Options
	refused refusals

	closing context.Context // ends when Close is called
	close   context.CancelCauseFunc
	running sync.WaitGroup // sections, and commands that a section left behind

	mu      sync.Mutex // guards what follows
	closed  bool
	lanes   map[string]*lane
	limits  map[limitKey]limit
	cards   map[string]*Card // the last one of each reader
	epochs  uint64
	serials uint64 // of cards
	watches map[*watch]struct{}
}

// NewService makes a Service of a driver, which it then owns. It contacts
// nothing before it is first used.
func NewService(d driver.Service, o *Options) *Service {
	s := &Service{
		driver: d,
		lanes:  make(map[string]*lane),
		limits: make(map[limitKey]limit),
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

// A Reader is a reader and what was in it when it was asked.
type Reader struct {
	Name    string
	Present bool // a card is in it
	Mute    bool // and does not answer
	InUse   bool // by this or another program
	ATR     ATR  // of the card; nil where there is none
}

// Readers lists the readers. A machine without one has an empty list.
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

// Card returns the card that is now in the named reader. It asks the service
// only; the card itself is first touched in a section. The error is ErrNoReader,
// ErrNoCard or ErrMute where one of them is the case.
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

// card is the card that a reader says is in it.
func (s *Service) card(r driver.Reader) *Card {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cards[r.Name]
	if c == nil || c.events != r.Events || !bytes.Equal(c.atr, r.ATR) {
		s.serials++
		c = &Card{service: s, reader: r.Name, events: r.Events, atr: r.ATR, serial: s.serials}
		s.cards[r.Name] = c
	}
	return c
}

// closeTimeout is how long Close waits for transactions before it closes their
// connections under them, and then once more.
const closeTimeout = 5 * time.Second

// Close ends every transaction with ErrClosed, waits until none is left, and closes
// the driver. A card that was left with a verified PIN is reset. A card or a service
// that does not respond is given five seconds; then its connection is closed.
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
		for _, l := range s.lanes { // none is added any more
			l.abort()
		}
		within(closeTimeout, done)
	}
	for _, l := range s.lanes {
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

// enter counts a section in, so that Close waits for it.
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

// newEpoch numbers the spans in which a card keeps its power and is not reset.
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
