package cardtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// An Option changes a card that [PIV], [GIDS] and the other constructors make: a
// [Quirk], a [Neighbour], or the result of [ATR], [MaxRetries] and so on. The
// constructors panic on an option that the card cannot have.
type Option interface{ apply(*config) }

// A config collects the options of one card.
type config struct {
	kind        kind
	iso         iso.Config
	piv         piv.Config
	gids        gids.Config
	neighbours  []iso.Application
	encoding    piv.Encoding
	retriesLeft *int
	readOnly    bool
	noPIV       bool
	quirks      map[Quirk]bool
}

// A kind is the application of a card.
type kind string

const (
	anyCard  kind = ""
	pivCard  kind = "PIV"
	gidsCard kind = "GIDS"
)

// An option is one that cards of a kind can have.
type option struct {
	name string
	kind kind
	set  func(*config)
}

func (o option) apply(c *config) {
	if o.kind != anyCard && o.kind != c.kind {
		panic(fmt.Sprintf("cardtest: %s is an option of %s cards, not of %s cards", o.name, o.kind, c.kind))
	}
	o.set(c)
}

// number makes an option with a number, and panics if the number is too small.
func number(name string, n, least int, set func(*config)) Option {
	if n < least {
		panic(fmt.Sprintf("cardtest: %s(%d): the least is %d", name, n, least))
	}
	return option{name, anyCard, set}
}

// ATR sets the answer to reset.
func ATR(atr []byte) Option {
	return option{"ATR", anyCard, func(c *config) { c.iso.ATR = slices.Clone(atr) }}
}

// MaxRetries sets the initial value of the PIN's retry counter. The default is 3.
func MaxRetries(n int) Option {
	return number("MaxRetries", n, 1, func(c *config) { c.piv.PINTries, c.gids.PINTries = n, n })
}

// RetriesLeft sets the current value of the PIN's retry counter; 0 blocks the PIN.
func RetriesLeft(n int) Option {
	return number("RetriesLeft", n, 0, func(c *config) { c.retriesLeft = &n })
}

// MaxCommand limits the length of a command in bytes, header included. Longer
// ones are refused with 6700.
func MaxCommand(n int) Option {
	return number("MaxCommand", n, 4, func(c *config) { c.iso.MaxCommand = n })
}

// MaxResponse limits the data of one response in bytes. The rest is fetched with
// GET RESPONSE.
func MaxResponse(n int) Option {
	return number("MaxResponse", n, 1, func(c *config) { c.iso.MaxResponse = n })
}

// PIVGlobalPIN adds a second PIN, with reference 00, which the discovery object
// announces.
func PIVGlobalPIN(pin string) Option {
	return option{"PIVGlobalPIN", pivCard, func(c *config) { c.piv.GlobalPIN = pin }}
}

// GIDSLockout makes a GIDS card lock out as a TPM does instead of blocking the PIN
// for good: with no retries left it refuses every PIN, and restores one retry each
// time that the interval passes.
func GIDSLockout(interval time.Duration) Option {
	return option{"GIDSLockout", gidsCard, func(c *config) { c.gids.Lockout = interval }}
}

// checkRetries panics if more retries are left than the counter holds.
func (c *config) checkRetries(most int) {
	if most == 0 {
		most = defaultRetries
	}
	if c.retriesLeft != nil && *c.retriesLeft > most {
		panic(fmt.Sprintf("cardtest: RetriesLeft(%d): the retry counter starts at %d; see MaxRetries", *c.retriesLeft, most))
	}
}

const defaultRetries = 3

// A Neighbour is another application on a card. It has a PIN of its own, with
// three tries, and uses the same instruction and reference for it as PIV does: a
// program that sends a PIN to it by mistake spends one of them. It is an [Option].
type Neighbour struct {
	aid []byte
	app *iso.Bystander
}

// NewNeighbour makes an application with an identifier of 5 to 16 bytes and a PIN.
func NewNeighbour(aid []byte, pin string) *Neighbour {
	padded := []byte(pin)
	for len(padded) < 8 {
		padded = append(padded, 0xFF)
	}
	return &Neighbour{aid: slices.Clone(aid), app: iso.NewBystander(aid, padded)}
}

// AID returns the application identifier.
func (n *Neighbour) AID() []byte { return slices.Clone(n.aid) }

// RetriesLeft returns the current value of the PIN's retry counter.
func (n *Neighbour) RetriesLeft() int {
	left, _ := n.app.Tries()
	return left
}

// Spent returns the number of wrong PINs received so far.
func (n *Neighbour) Spent() int {
	_, spent := n.app.Tries()
	return spent
}

func (n *Neighbour) apply(c *config) { c.neighbours = append(c.neighbours, n.app) }
