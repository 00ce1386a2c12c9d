package cardtest

import (
	"context"
	"crypto"
	"fmt"
	"slices"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/smartlogon/smartlogon/internal/vpcd"
)

const (
	// PIN is the PIN of every card.
	PIN = "123456"

	// PUK is the PUK of every PIV card, and of GIDS cards with [GIDSWithPUK].
	PUK = "12345678"
)

// A Card is a software card. Put it into a reader ([NewReaders]), or use it
// directly as a [card.Transmitter]. It is safe for concurrent use, and can be in one
// reader at a time.
type Card struct {
	config iso.Config
	chip   chip
	apps   []iso.Application // app first, if the card has it
	app    application
	counts *counter
}

// A chip is what a reader has contact with.
type chip interface {
	reader.Card
	Count() iso.Count
}

// An application is the one that the methods of a Card are about.
type application interface {
	iso.Application
	put(container string, key crypto.PrivateKey, certificate []byte) error
	pinState() (left, spent int, verified bool)
}

// newCard returns a card with its neighbors and, if present, the application.
func newCard(c config, app application, present bool) *Card {
	counts := &counter{Application: app, readOnly: c.readOnly}
	apps := c.neighbors
	if present {
		apps = append([]iso.Application{counts}, apps...)
	}
	return &Card{config: c.iso, chip: iso.New(c.iso, apps...), apps: apps, app: app, counts: counts}
}

// Combine returns one card with the applications of several. The first card
// determines the ATR and the transport options, and methods such as
// [Card.RetriesLeft] of the result are about its application. For the other
// applications, call the methods of the other cards, which must not be put into a
// reader any more.
func Combine(first *Card, others ...*Card) *Card {
	c := *first
	c.apps = slices.Clone(first.apps)
	for _, o := range others {
		c.apps = append(c.apps, o.apps...)
	}
	c.chip = iso.New(c.config, c.apps...)
	return &c
}

// Put stores a private key and a certificate, in DER, in a container, and returns
// the card. A PIV container is named by its key reference: 9A, 9C, 9D, 9E, 82 to 95.
// A GIDS container is named by its file: kxc for a key exchange key or ksc for a
// signature key, followed by its number in two hexadecimal digits, as in kxc00.
//
// A nil key or certificate leaves what is stored. The key need not match the
// certificate, and the certificate need not be valid. Put panics if the card has no
// such container or does not support the key.
func (c *Card) Put(container string, key crypto.PrivateKey, certificate []byte) *Card {
	if err := c.app.put(container, key, certificate); err != nil {
		panic(fmt.Sprintf("cardtest: container %q: %v", container, err))
	}
	return c
}

// Transmit sends one command to the card. The error is always nil.
func (c *Card) Transmit(command []byte) ([]byte, error) { return c.chip.Transmit(command), nil }

// Reset resets the card, as a reader does.
func (c *Card) Reset() { c.chip.Reset() }

// ATR returns the answer to reset.
func (c *Card) ATR() []byte { return c.chip.ATR() }

// RetriesLeft returns the current value of the PIN's retry counter.
func (c *Card) RetriesLeft() int {
	left, _, _ := c.app.pinState()
	return left
}

// Spent returns the number of wrong PINs that the card received. A right PIN does
// not reset it.
func (c *Card) Spent() int {
	_, spent, _ := c.app.pinState()
	return spent
}

// Verified reports whether the PIN is verified.
func (c *Card) Verified() bool {
	_, _, verified := c.app.pinState()
	return verified
}

// PINs returns the number of commands with a PIN or PUK that the card received, right
// or wrong.
func (c *Card) PINs() int { return int(c.counts.pins.Load()) }

// KeyUses returns the number of commands that use a private key, refused ones
// included.
func (c *Card) KeyUses() int { return int(c.counts.keyUses.Load()) }

// Writes returns the number of commands that change the card's contents, refused
// ones included.
func (c *Card) Writes() int { return int(c.counts.writes.Load()) }

// A Count is the traffic of a card.
type Count struct {
	Commands int // exchanges, including parts of chains and GET RESPONSE
	BytesIn  int // to the card
	BytesOut int // from the card, status words included
	Resets   int // including losses of power
}

// Exchanges returns the traffic so far.
func (c *Card) Exchanges() Count {
	n := c.chip.Count()
	return Count{Commands: n.Exchanges, BytesIn: n.Received, BytesOut: n.Sent, Resets: n.Resets}
}

// ServeVPCD plugs the card into a virtual reader of the vsmartcard project, and so
// into a real PC/SC service, until ctx ends or the reader closes the connection. The
// usual address is 127.0.0.1:35963. The error is nil if the reader closed it.
func (c *Card) ServeVPCD(ctx context.Context, addr string) error {
	return vpcd.Dial(ctx, addr, c.chip)
}
