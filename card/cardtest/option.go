package cardtest

import (
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// An Option makes a card differ from one that does all that the standard says:
// a [Quirk], a [Neighbour], or what one of the functions returns.
type Option interface{ apply(*config) }

type config struct {
	iso        iso.Config
	piv        piv.Config
	gids       gids.Config
	neighbours []iso.Application
	encoding   piv.Encoding
	triesLeft  *int
	readOnly   bool
	noPIV      bool // the card does not answer for its PIV application
}

type option func(*config)

func (o option) apply(c *config) { o(c) }

// ATR sets the answer to reset.
func ATR(atr []byte) Option { return option(func(c *config) { c.iso.ATR = slices.Clone(atr) }) }

// PINTries sets how many tries there are for the PIN. Without it there are 3.
func PINTries(n int) Option {
	return option(func(c *config) { c.piv.PINTries, c.gids.PINTries = n, n })
}

// TriesLeft sets how many tries are left for the PIN; 0 blocks it.
func TriesLeft(n int) Option { return option(func(c *config) { c.triesLeft = &n }) }

// Lockout has a GIDS card do what a TPM does in place of blocking the PIN for good:
// when the tries are used up it takes none, and gives one back each time that so much
// has passed.
func Lockout(every time.Duration) Option { return option(func(c *config) { c.gids.Lockout = every }) }

// GlobalPIN gives the card a second PIN (reference 00), which the discovery
// object names as one that opens PIV too.
func GlobalPIN(pin string) Option { return option(func(c *config) { c.piv.GlobalPIN = pin }) }

// MaxCommand bounds the bytes of a command, header included; a longer one is
// refused with 6700.
func MaxCommand(n int) Option { return option(func(c *config) { c.iso.MaxCommand = n }) }

// MaxResponse bounds the data of one answer; the rest has to be fetched.
func MaxResponse(n int) Option { return option(func(c *config) { c.iso.MaxResponse = n }) }

// A Quirk is something that real cards do, or do not. It is an [Option].
type Quirk int

const (
	// T0 makes a card of protocol T=0: short lengths only, every answer to a
	// command with data is fetched with GET RESPONSE, 6CXX for a wrong Le.
	T0 Quirk = iota

	// ShortLengths refuses extended lengths with 6700.
	ShortLengths

	// NoCommandChaining refuses the parts of a chained command with 6884.
	NoCommandChaining

	// NoResponseChaining knows no GET RESPONSE.
	NoResponseChaining

	// ExactLe refuses an Le that is larger than the answer with 6CXX.
	ExactLe

	// IgnoresLe sends as much as it can, whatever Le says.
	IgnoresLe

	// FullAID knows applications by their whole identifier only.
	FullAID

	// Implicit has the PIV application selected after a reset.
	Implicit

	// Contactless is a card on its contactless interface, where keys that
	// need the PIN, and much else, are out of reach.
	Contactless

	// ReadOnly refuses every instruction that would change the card with 6985.
	ReadOnly

	// Gzip compresses certificates as SP 800-73-4 part 1, 3.3 has it.
	Gzip

	// NetID compresses certificates as the minidriver of Net iD does.
	NetID

	// NoDiscovery has no discovery object.
	NoDiscovery

	// EmptyObjects answers 53 00, not 6A82, for an object that is not there.
	EmptyObjects

	// LongLengths writes the length of every element in four bytes.
	LongLengths

	// ShortAID has the answer to SELECT name the application without the
	// registered identifier, as YubiKeys do.
	ShortAID

	// SelectClears forgets a verified PIN of a PIV card at every SELECT.
	SelectClears

	// PlainRetries says 630X where others say 63CX, as old YubiKeys do.
	PlainRetries

	// BlocksAtOnce answers 6983 already to the try that blocks the PIN.
	BlocksAtOnce

	// EmptyVerifyRefused answers 6700 when asked for the tries left.
	EmptyVerifyRefused

	// EmptyVerifyHides tells the tries left, not 9000, when asked while the PIN
	// is verified.
	EmptyVerifyHides

	// EmptyVerifyClears forgets a verified PIN when asked for the tries left.
	EmptyVerifyClears

	// EmptyVerifyCosts takes the question for the tries left for a wrong PIN.
	EmptyVerifyCosts

	// BadFormatCosts takes a PIN of a wrong form for a wrong PIN.
	BadFormatCosts

	// NoLogout cannot be told to forget a verified PIN.
	NoLogout

	// NoPIV has no PIV application: a card of some other kind.
	NoPIV

	// Blank is a GIDS card that nobody has set up: it has no PIN and no files.
	Blank

	// WithPUK gives a GIDS card a PUK, [PUK].
	WithPUK

	// DecimalNames numbers the certificates of a GIDS card with decimal digits.
	DecimalNames

	// PlainCertificates stores certificates on a GIDS card without compression.
	PlainCertificates

	// OldTries tells the tries left as old GIDS cards do.
	OldTries

	// NoTries does not tell the tries left of a GIDS card.
	NoTries

	// NoKeyMap has no key map on a GIDS card.
	NoKeyMap

	// HostPads leaves all padding for the keys of a GIDS card to the host.
	HostPads

	// CardPads has the keys of a GIDS card do all padding.
	CardPads

	// SelectKeeps keeps a verified PIN of a GIDS card at SELECT, where it is
	// forgotten as a rule.
	SelectKeeps

	// NoProperties has a GIDS card answer SELECT with nothing.
	NoProperties
)

func (q Quirk) apply(c *config) {
	switch q {
	case WithPUK:
		c.gids.PUK = PUK
	case Gzip:
		c.encoding = piv.Gzip
	case NetID:
		c.encoding = piv.NetID
	case EmptyVerifyRefused:
		c.piv.Quirks.EmptyVerify, c.gids.Quirks.EmptyVerify = iso.WrongLength, iso.WrongLength
	default:
		for _, flag := range c.flags(q) {
			*flag = true
		}
	}
}

// flags are the switches of a quirk that is no more than that, one for each kind of
// card that has it.
func (c *config) flags(q Quirk) []*bool {
	ofPIV, ofGIDS := &c.piv.Quirks, &c.gids.Quirks
	return map[Quirk][]*bool{
		T0:                 {&c.iso.T0},
		ShortLengths:       {&c.iso.NoExtended},
		NoCommandChaining:  {&c.iso.NoCommandChaining},
		NoResponseChaining: {&c.iso.NoResponseChaining},
		ExactLe:            {&c.iso.ExactLe},
		IgnoresLe:          {&c.iso.IgnoresLe},
		FullAID:            {&c.iso.FullAID},
		Implicit:           {&c.iso.Implicit},
		Contactless:        {&c.piv.Contactless},
		ReadOnly:           {&c.readOnly},
		NoDiscovery:        {&ofPIV.NoDiscovery},
		EmptyObjects:       {&ofPIV.EmptyObjects},
		LongLengths:        {&ofPIV.LongLengths},
		ShortAID:           {&ofPIV.SelectWithPIX},
		SelectClears:       {&ofPIV.SelectClears},
		PlainRetries:       {&ofPIV.PlainRetries, &ofGIDS.PlainRetries},
		BlocksAtOnce:       {&ofPIV.BlocksAtOnce},
		EmptyVerifyHides:   {&ofPIV.EmptyVerifyHides},
		EmptyVerifyClears:  {&ofPIV.EmptyVerifyClears},
		EmptyVerifyCosts:   {&ofPIV.EmptyVerifyCosts},
		BadFormatCosts:     {&ofPIV.BadFormatCosts},
		NoLogout:           {&ofPIV.NoLogout, &ofGIDS.NoLogout},
		NoPIV:              {&c.noPIV},
		Blank:              {&c.gids.Blank},
		DecimalNames:       {&ofGIDS.DecimalNames},
		PlainCertificates:  {&ofGIDS.PlainCertificates},
		OldTries:           {&ofGIDS.OldTries},
		NoTries:            {&ofGIDS.NoStatus},
		NoKeyMap:           {&ofGIDS.NoKeyMap},
		HostPads:           {&ofGIDS.RawOnly},
		CardPads:           {&ofGIDS.PaddedOnly},
		SelectKeeps:        {&ofGIDS.SelectKeeps},
		NoProperties:       {&ofGIDS.NoProperties},
	}[q]
}

// A Neighbour is another application on a card. It has nothing but a PIN of its
// own, with three tries, under the instruction and the reference that PIV uses
// too: a program that sends a PIN without knowing which application is selected
// spends a try here. It is an [Option].
type Neighbour struct {
	aid []byte
	app *iso.Bystander
}

// NewNeighbour makes an application with that identifier, 5 to 16 bytes, and
// that PIN.
func NewNeighbour(aid []byte, pin string) *Neighbour {
	padded := []byte(pin)
	for len(padded) < 8 {
		padded = append(padded, 0xFF)
	}
	return &Neighbour{aid: slices.Clone(aid), app: iso.NewBystander(aid, padded)}
}

// AID is the application identifier.
func (n *Neighbour) AID() []byte { return slices.Clone(n.aid) }

// Tries is how many tries are left for its PIN.
func (n *Neighbour) Tries() int {
	left, _ := n.app.Tries()
	return left
}

// Spent is how many wrong PINs it was given so far.
func (n *Neighbour) Spent() int {
	_, spent := n.app.Tries()
	return spent
}

func (n *Neighbour) apply(c *config) { c.neighbours = append(c.neighbours, n.app) }
