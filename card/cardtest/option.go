package cardtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// An Option changes what [PIV], [GIDS] and the other constructors return: a
// [Quirk], a [Neighbor], or the result of [ATR], [MaxRetries] and so on. The
// constructors panic on an option that the card cannot have.
type Option interface{ apply(*config) }

// A config collects the options of one card.
type config struct {
	kind        kind
	iso         iso.Config
	piv         piv.Config
	gids        gids.Config
	encoding    piv.Encoding // of certificates
	neighbors   []iso.Application
	retriesLeft *int
	readOnly    bool
	noPIV       bool
	quirks      map[Quirk]bool
}

// A kind is the application that options are for.
type kind string

const (
	anyCard  kind = ""
	pivCard  kind = "PIV"
	gidsCard kind = "GIDS"
)

// An option is an Option for cards of one kind.
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

// numberOption returns an option with a number. It panics if n is less than least.
func numberOption(name string, n, least int, set func(*config)) Option {
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
	return numberOption("MaxRetries", n, 1, func(c *config) { c.piv.PINTries, c.gids.PINTries = n, n })
}

// RetriesLeft sets the current value of the PIN's retry counter. 0 blocks the PIN.
func RetriesLeft(n int) Option {
	return numberOption("RetriesLeft", n, 0, func(c *config) { c.retriesLeft = &n })
}

// WithPIN sets the PIN, which is [PIN] otherwise. A PIV card pads it to 8 bytes; it may
// be shorter than the card would accept as a new one.
func WithPIN(pin string) Option {
	if pin == "" || len(pin) > 8 {
		panic("cardtest: WithPIN: want 1 to 8 characters")
	}
	return option{"WithPIN", anyCard, func(c *config) { c.piv.PIN, c.gids.PIN = pin, pin }}
}

// MaxCommand limits the length of a command in bytes, header included. The card
// refuses longer ones with 6700.
func MaxCommand(n int) Option {
	return numberOption("MaxCommand", n, 4, func(c *config) { c.iso.MaxCommand = n })
}

// MaxResponse limits the data of one response in bytes. The rest is fetched with
// GET RESPONSE.
func MaxResponse(n int) Option {
	return numberOption("MaxResponse", n, 1, func(c *config) { c.iso.MaxResponse = n })
}

// PIVGlobalPIN adds a second PIN, with reference 00, and announces it in the
// discovery object.
func PIVGlobalPIN(pin string) Option {
	return option{"PIVGlobalPIN", pivCard, func(c *config) { c.piv.GlobalPIN = pin }}
}

// GIDSLockout makes a GIDS card lock out as a TPM does instead of blocking the PIN
// for good: without retries left it refuses every PIN, and restores one retry each
// time that the interval passes.
func GIDSLockout(interval time.Duration) Option {
	return option{"GIDSLockout", gidsCard, func(c *config) { c.gids.Lockout = interval }}
}

// checkRetries panics if RetriesLeft is more than MaxRetries.
func (c *config) checkRetries() {
	initial := max(c.piv.PINTries, c.gids.PINTries)
	if initial == 0 {
		initial = 3
	}
	if c.retriesLeft != nil && *c.retriesLeft > initial {
		panic(fmt.Sprintf("cardtest: RetriesLeft(%d): the retry counter starts at %d; see MaxRetries", *c.retriesLeft, initial))
	}
}
