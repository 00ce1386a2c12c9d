package cardtest

import (
	"context"
	"crypto"
	"fmt"
	"slices"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/vpcd"
)

const (
	// PIN is the PIN of every card.
	PIN = "123456"

	// PUK is what unblocks it.
	PUK = "12345678"
)

// A Card is a software card. It can be put into a reader ([NewReaders]), or be
// used as it is, as a [card.Transmitter]. It is safe for concurrent use, but can
// be in one reader at a time.
type Card struct {
	config iso.Config
	chip   *iso.Card
	apps   []iso.Application
	app    application
	writes *writeCounter
}

// An application is what a card is about, among those that are on it.
type application interface {
	iso.Application
	put(container string, key crypto.PrivateKey, certificate []byte) error
	tries() (left, spent int, verified bool)
}

// PIV makes a PIV card (NIST SP 800-73-4) without keys and certificates.
func PIV(options ...Option) *Card {
	return newPIV(config{kind: pivCard}, options)
}

// YubiKey makes a YubiKey of a firmware version such as 5.7.1: a PIV card that
// knows Yubico's instructions as far as that version does.
func YubiKey(version string, options ...Option) *Card {
	firmware, err := piv.ParseVersion(version)
	if err != nil {
		panic("cardtest: " + err.Error())
	}
	const serial = 12345678
	c := config{kind: pivCard, piv: piv.Config{
		Firmware: firmware,
		Serial:   serial,
		Quirks:   piv.Quirks{SelectWithPIX: true},
	}}
	c.iso.ATR = slices.Clone(yubico5)
	if version[0] < '5' {
		c.iso.ATR = slices.Clone(yubico4)
	}
	c.neighbours = append(c.neighbours, piv.OTP{Firmware: firmware, Serial: serial})
	return newPIV(c, options)
}

// The answers to reset of YubiKeys: the historical bytes end in their name.
var (
	yubico4 = []byte("\x3B\xF8\x13\x00\x00\x81\x31\xFE\x15YubiKey4\xD4")
	yubico5 = []byte("\x3B\xFD\x13\x00\x00\x81\x31\xFE\x15\x80\x73\xC0\x21\xC0\x57YubiKey\x40")
)

// Logon makes a PIV card with which one can sign in under a user principal name:
// it has an RSA key and a certificate of [TestCA] in 9A, valid from an hour ago
// for a year.
func Logon(upn string, options ...Option) *Card {
	key, certificate := TestCA().Issue(Leaf{UPNs: []string{upn}})
	return PIV(options...).Put("9A", key, certificate)
}

func newPIV(c config, options []Option) *Card {
	c.piv.PIN, c.piv.PUK = PIN, PUK
	for _, o := range options {
		o.apply(&c)
	}
	c.checkRetries(c.piv.PINTries)
	app := &pivApplication{piv.New(c.piv), c.encoding}
	if c.retriesLeft != nil {
		app.SetTriesLeft(pinReference, *c.retriesLeft)
	}
	return newCard(c, app, !c.noPIV)
}

// newCard makes a card with an application, which answers or does not, and with
// its neighbours.
func newCard(c config, app application, answers bool) *Card {
	writes := &writeCounter{Application: app, refuse: c.readOnly}
	apps := c.neighbours
	if answers {
		apps = append([]iso.Application{writes}, apps...)
	}
	return &Card{config: c.iso, chip: iso.New(c.iso, apps...), apps: apps, app: app, writes: writes}
}

// Combine makes one card with the applications of several. It answers to reset and
// handles commands as the first of them does, and what it says about its PIN and
// its writes is about the first one's. The others go on to say it about theirs, but
// are not to be put into a reader any more.
func Combine(first *Card, others ...*Card) *Card {
	c := *first
	c.apps = slices.Clone(first.apps)
	for _, o := range others {
		c.apps = append(c.apps, o.apps...)
	}
	c.chip = iso.New(c.config, c.apps...)
	return &c
}

// Put gives a container a private key and a certificate, and returns the card.
// Containers of PIV are named by their key reference: 9A, 9C, 9D, 9E, 82 to 95; of
// GIDS by their file: kxc for a key exchange key, ksc for a signature key, and the
// number of the container in two hexadecimal digits, as in kxc00. Either
// may be nil, which leaves what is there; the key need not be the certificate's,
// and the certificate need not be one. It panics where there is no such
// container or the card cannot use such a key.
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

// ATR is the answer to reset.
func (c *Card) ATR() []byte { return c.chip.ATR() }

// RetriesLeft returns the current value of the PIN's retry counter.
func (c *Card) RetriesLeft() int {
	left, _, _ := c.app.tries()
	return left
}

// Spent is how many wrong PINs the card was given so far, whatever has been
// verified since.
func (c *Card) Spent() int {
	_, spent, _ := c.app.tries()
	return spent
}

// Verified reports whether the card takes its holder for present.
func (c *Card) Verified() bool {
	_, _, verified := c.app.tries()
	return verified
}

// Writes is how many commands that would change the card it was given so far,
// refused ones included.
func (c *Card) Writes() int { return c.writes.count() }

// A Count is the traffic of a card so far.
type Count struct {
	Commands int // every exchange is one, parts of chains and GET RESPONSE too
	BytesIn  int // to the card
	BytesOut int // from the card, status words included
	Resets   int // losses of power included
}

// Exchanges is the traffic so far.
func (c *Card) Exchanges() Count {
	n := c.chip.Count()
	return Count{Commands: n.Exchanges, BytesIn: n.Received, BytesOut: n.Sent, Resets: n.Resets}
}

// ServeVPCD plugs the card into a virtual reader of the vsmartcard project, and
// so into a real PC/SC service, until ctx ends or the reader goes. The address
// is mostly 127.0.0.1:35963. The error is nil when the reader went.
func (c *Card) ServeVPCD(ctx context.Context, addr string) error {
	return vpcd.Dial(ctx, addr, c.chip)
}
