package cardtest

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

// NewService makes a service with one reader a card, in this process. The
// readers are named as those of [NewReaders].
func NewService(cards ...*Card) *card.Service { return NewReaders(cards...).Service() }

// Readers are software readers with the service that watches them. They behave
// as PC/SC's: cards are shared, held in transactions and reset; a card loses its
// power, and so forgets that its PIN was verified, when the last program lets go
// of it. Readers are safe for concurrent use.
//
// Methods that name a reader panic where there is none with that name, as do
// [Readers.Insert] and [Readers.Plug] where the place is taken.
type Readers struct {
	set    *reader.Set
	server *server.Server
	closed chan struct{}
	close  sync.Once

	mu     sync.Mutex // guards what follows
	names  []string
	faults map[string][]*pendingFault
	trace  map[string]*trace // nil while nothing is traced
	out    io.Writer

	tracing sync.Mutex // see trace
}

// NewReaders makes one reader a card, and puts the cards in. A nil card is an
// empty reader. The readers are called "Software Reader 00", "Software Reader
// 01" and so on.
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

// Names are the names of the readers.
func (r *Readers) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.names...)
}

// Service is a service with the readers, in this process. Each call makes one;
// they share the readers as programs do. Closing one leaves the readers as they
// are.
func (r *Readers) Service() *card.Service { return card.NewService(r.Driver(), nil) }

// Driver is what [Readers.Service] stands on, for [card.NewService] with
// options.
func (r *Readers) Driver() driver.Service { return r.set.Service() }

// Serve offers the readers on a unix socket in the protocol of pcscd, until l
// or the Readers are closed. Programs find them there, whatever language they
// are written in, when the environment variable PCSCLITE_CSOCK_NAME has the path
// of the socket as they start. Whoever can open the socket can use the cards.
func (r *Readers) Serve(l net.Listener) error { return r.server.Serve(l) }

// Close ends the service, and with it every connection, wait and Serve.
func (r *Readers) Close() error {
	r.close.Do(func() { close(r.closed) })
	r.set.Stop()
	return r.server.Close()
}

// Plug plugs in a reader with a card in it; nil is an empty reader. As pcscd does,
// it does not count the card that is in a reader from the start as an event, so a
// one-piece token (a YubiKey) always has the event count 0.
func (r *Readers) Plug(name string, c *Card) {
	must(name, r.set.Plug(name, chipOf(c)))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append(r.names, name)
}

// chipOf is what a reader holds: nothing for a nil card.
func chipOf(c *Card) reader.Card {
	if c == nil {
		return nil
	}
	return c.chip
}

// Replace exchanges a reader and its card for another of the same name with c in
// it, as when a one-piece token is exchanged for one of the same model: the
// connections end, and the event count is what it was. The service shows nothing of
// the moment between the two; [Readers.Unplug] and [Readers.Plug] show it.
func (r *Readers) Replace(name string, c *Card) { must(name, r.set.Replace(name, c.chip)) }

// Unplug takes a reader away, and the card in it.
func (r *Readers) Unplug(name string) {
	must(name, r.set.Detach(name))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, n := range r.names {
		if n == name {
			r.names = append(r.names[:i:i], r.names[i+1:]...)
			break
		}
	}
}

// Insert puts a card into an empty reader.
func (r *Readers) Insert(name string, c *Card) { must(name, r.set.Insert(name, c.chip)) }

// Remove takes the card out of a reader; an empty one it leaves as it is. When
// it returns, the card has lost its power.
func (r *Readers) Remove(name string) { must(name, r.set.Remove(name)) }

// Reset resets the card in a reader as another program would: every connection
// has to take note, and transactions are over.
func (r *Readers) Reset(name string) { must(name, r.set.Reset(name)) }

// Pad gives a reader keys to type a PIN on (PC/SC part 10). Typed is called when
// the reader asks for one: it returns what people type, the PIN, or the old PIN and
// the new one where that is asked for; nothing if they press cancel. Nil takes the
// keys away.
func (r *Readers) Pad(name string, typed func() []string) { must(name, r.set.SetPad(name, typed)) }

// Stop ends the service as if its process had died. Cards can still be inserted
// and removed.
func (r *Readers) Stop() { r.set.Stop() }

// Start lets a stopped service run again.
func (r *Readers) Start() { r.set.Start() }

// PowerDown makes cards keep their power for a while after the last program let
// go of them, as real services do, for between 0.4 and 5 seconds. Without it
// they lose it at once, so that a test shows whoever relies on that. It has to
// be called before the readers are used.
func (r *Readers) PowerDown(after time.Duration) { r.set.PowerDown = after }

func must(reader string, err error) {
	if err != nil {
		panic(fmt.Sprintf("cardtest: reader %q: %v", reader, err))
	}
}

// exchange is what every command goes through.
func (r *Readers) exchange(name string, command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
	r.mu.Lock()
	t := r.tracer(name)
	f, found := r.nextFault(name)
	r.mu.Unlock()

	t.command(command)
	var answer []byte
	var err error
	if found {
		answer, err = r.fail(f, name, command, send)
	} else {
		answer, err = send(command)
	}
	t.answer(answer, err)
	return answer, err
}
