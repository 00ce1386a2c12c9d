package cardtest

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

// NewService returns a service with one reader for each card, in this process. The
// readers are named as those of [NewReaders].
func NewService(cards ...*Card) *card.Service { return NewReaders(cards...).Service() }

// Readers are software readers and the service that watches them. They behave as a
// PC/SC service: programs share cards, hold them in transactions and reset them. A
// card loses its power, and so the verified PIN, when the last program disconnects
// from it. Readers are safe for concurrent use.
//
// Methods with the name of a reader panic if there is no such reader. [Readers.Insert]
// panics if the reader holds a card, [Readers.Plug] if the name is taken,
// [Readers.Reset] and [Readers.Replace] if the reader is empty.
type Readers struct {
	set    *reader.Set
	server *server.Server
	closed chan struct{}
	close  sync.Once

	mu      sync.Mutex // guards what follows
	names   []string
	faults  map[string][]*pendingFault
	trace   map[string]*trace // by reader; nil without a trace
	traceTo io.Writer

	tracing sync.Mutex // see trace
}

// NewReaders returns one reader for each card, with the card in it. A nil card is an
// empty reader. The readers are named "Software Reader 00", "Software Reader 01" and
// so on.
func NewReaders(cards ...*Card) *Readers {
	set := new(reader.Set)
	r := &Readers{
		set:    set,
		server: &server.Server{Readers: set},
		closed: make(chan struct{}),
		faults: map[string][]*pendingFault{},
	}
	set.Intercept(r.exchange)
	for i, c := range cards {
		name := fmt.Sprintf("Software Reader %02d", i)
		r.Plug(name, nil)
		if c != nil {
			r.Insert(name, c)
		}
	}
	return r
}

// Names returns the names of the readers.
func (r *Readers) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.names)
}

// Service returns a service with the readers, in this process. Each call returns
// another one; they share the readers as different programs do. Closing one does not
// change the readers.
func (r *Readers) Service() *card.Service { return card.NewService(r.Driver(), nil) }

// Driver returns the driver of a service with the readers, for [card.NewService] with
// options.
func (r *Readers) Driver() driver.Service { return r.set.Service() }

// Serve offers the readers on a Unix socket in the protocol of pcscd, until l or the
// Readers are closed. Other programs, in any language, use them if the environment
// variable PCSCLITE_CSOCK_NAME holds the path of the socket when they start. Every
// user who can open the socket can use the cards.
func (r *Readers) Serve(l net.Listener) error { return r.server.Serve(l) }

// Close stops the service, and with it every connection, wait and Serve.
func (r *Readers) Close() error {
	r.close.Do(func() { close(r.closed) })
	r.set.Stop()
	return r.server.Close()
}

// Plug plugs in a reader with a card in it, or an empty one if c is nil. As in
// pcscd, a card that is in the reader from the start is not counted as an event, so
// the event count of a one-piece token such as a YubiKey stays 0.
func (r *Readers) Plug(name string, c *Card) {
	must(name, r.set.Plug(name, chipOf(c)))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append(r.names, name)
}

// chipOf returns a nil interface for a nil card.
func chipOf(c *Card) reader.Card {
	if c == nil {
		return nil
	}
	return c.chip
}

// Unplug unplugs a reader together with the card in it.
func (r *Readers) Unplug(name string) {
	must(name, r.set.Detach(name))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = slices.DeleteFunc(r.names, func(n string) bool { return n == name })
}

// Replace exchanges a reader and the card in it for another reader of the same name
// with c in it, as when a one-piece token is exchanged for one of the same model:
// connections end, and the event count stays the same. Programs never see the reader
// missing; for that, use [Readers.Unplug] and [Readers.Plug].
func (r *Readers) Replace(name string, c *Card) { must(name, r.set.Replace(name, c.chip)) }

// Insert inserts a card into an empty reader.
func (r *Readers) Insert(name string, c *Card) { must(name, r.set.Insert(name, c.chip)) }

// Remove removes the card from a reader, if there is one. When it returns, the card
// has lost its power.
func (r *Readers) Remove(name string) { must(name, r.set.Remove(name)) }

// Reset resets the card in a reader as another program would: transactions end, and
// programs have to reconnect.
func (r *Readers) Reset(name string) { must(name, r.set.Reset(name)) }

// Pad gives a reader a PIN pad (PC/SC part 10). The reader calls typed for each PIN
// entry. It returns what the user types: the PIN, or the old PIN and the new one, or
// nil to cancel. A nil typed removes the pad.
func (r *Readers) Pad(name string, typed func() []string) { must(name, r.set.SetPad(name, typed)) }

// A ReaderLimit is what a reader carries. The zero value carries every command, and
// reports extended lengths.
type ReaderLimit struct {
	// MaxCommand is the length of the longest command in bytes, header included;
	// 0 is no limit. A longer command does not reach the card, and the program
	// gets PC/SC's error for a card that does not respond. A recorded reader, the
	// ACS ACR1281 1S, has 255.
	MaxCommand int

	// DataSize is the length of the data that the reader reports to carry, as
	// dwMaxAPDUDataSize of PC/SC part 10. It need not be true: 0 is 65536, 256 is
	// reported as short lengths only, and a negative number is not reported.
	DataSize int
}

// Limit sets what a reader carries.
func (r *Readers) Limit(name string, l ReaderLimit) {
	must(name, r.set.SetLimit(name, reader.Limit(l)))
}

// Stop stops the service as if its process had been killed. Cards can still be
// inserted and removed.
func (r *Readers) Stop() { r.set.Stop() }

// Start starts the service again.
func (r *Readers) Start() { r.set.Start() }

// PowerDown sets how long a card keeps its power after the last program disconnects
// from it. The default is 0, which makes a program fail that relies on a delay; real
// services take between 0.4 and 5 seconds. Call PowerDown before the readers are
// used.
func (r *Readers) PowerDown(delay time.Duration) { r.set.PowerDown = delay }

func must(reader string, err error) {
	if err != nil {
		panic(fmt.Sprintf("cardtest: reader %q: %v", reader, err))
	}
}

// exchange performs every exchange of the readers, with faults and trace.
func (r *Readers) exchange(name string, command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
	r.mu.Lock()
	t := r.tracer(name)
	fault, ok := r.nextFault(name)
	r.mu.Unlock()

	t.command(command)
	var response []byte
	var err error
	if ok {
		response, err = r.fail(fault, name, command, send)
	} else {
		response, err = send(command)
	}
	t.response(response, err)
	return response, err
}
