package iso

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
)

// Instructions of this layer (ISO/IEC 7816-4, table 4).
const (
	insSelect      = 0xA4
	insGetResponse = 0xC0
)

// chainBit marks every part of a chained command but the last.
const chainBit = 0x10

// maxChain limits the data of a chained command.
const maxChain = 64 << 10

// selectByName is P1 of a SELECT by application identifier.
const selectByName = 0x04

// Lengths of an application identifier (ISO/IEC 7816-4, 8.2.1.2).
const (
	minAID = 5
	maxAID = 16
)

// A Config describes a card. Its zero value is a T=1 card without restrictions.
type Config struct {
	// ATR is the answer to reset. Nil is one that states chaining, lengths and
	// protocol as they are.
	ATR []byte

	// T0 makes a T=0 card: no extended lengths, the response to a command with
	// data is always fetched with GET RESPONSE (NoResponseChaining is ignored),
	// and an Le that is too large is refused with 6CXX.
	T0 bool

	// Implicit makes the first application current after a reset.
	Implicit bool

	// NoExtended refuses extended lengths with 6700.
	NoExtended bool

	// NoCommandChaining refuses the parts of a chain with 6884.
	NoCommandChaining bool

	// NoResponseChaining does not implement GET RESPONSE: a response that is
	// longer than Le is refused, with 6CXX if a short Le can be right, else with
	// 6700.
	NoResponseChaining bool

	// MaxCommand limits the length of a command, header included; longer ones are
	// refused with 6700. 0 is no limit.
	MaxCommand int

	// MaxResponse limits the data of one response; the rest is fetched with GET
	// RESPONSE. 0 leaves only the limit of Le.
	MaxResponse int

	// ExactLe refuses an Le that is larger than the response, but not the largest
	// one, with 6CXX.
	ExactLe bool

	// IgnoresLe sends as much as the form of the command allows, whatever Le is.
	IgnoresLe bool

	// FullAID selects applications by their full identifier only, not by a prefix.
	FullAID bool

	// MinName is the length of the shortest prefix of an identifier that selects
	// an application. 0 is 5.
	MinName int

	// Absent is the status of a SELECT of an application that the card does not
	// have. 0 is 6A82.
	Absent Status

	// AbsentForCurrent is that status while an application is current: a Java
	// Card passes such a SELECT to it. 0 is Absent.
	AbsentForCurrent Status

	// FailedSelect is what a SELECT of an application that the card does not have
	// does to the current one.
	FailedSelect FailedSelect

	// PendingData is the status of a command other than GET RESPONSE while data
	// waits, which it discards. 0 performs the command.
	PendingData Status

	// FetchFirst makes the card announce data with 61XX instead of sending it.
	FetchFirst FetchFirst

	// MaxFirst limits the data of the response to a command with short lengths,
	// but not of those to GET RESPONSE. 0 leaves only the other limits.
	MaxFirst int

	// MoreIsFF announces 256 bytes and more with 61FF instead of 6100.
	MoreIsFF bool
}

// FetchFirst is which responses a card announces with 61XX without sending data, as
// with T=0 also with other protocols.
type FetchFirst int

const (
	FetchNever     FetchFirst = iota
	FetchWithoutLe            // responses to commands without Le
	FetchLong                 // responses longer than the limit of the command
	FetchAlways               // every response with data
)

// FailedSelect is what a failed SELECT does to the current application.
type FailedSelect int

const (
	KeepsApplication FailedSelect = iota
	ClearsStatus                  // the application stays current, its security status is cleared
	Deselects                     // no application is current
)

// A Count is the traffic of a card.
type Count struct {
	Exchanges int
	Received  int // bytes of commands
	Sent      int // bytes of responses, status words included
	Resets    int
}

// A Card is a card with its applications. It is safe for concurrent use.
type Card struct {
	config Config
	apps   []Application

	mu      sync.Mutex // guards what follows, and every call of an application
	current Application
	chain   *Command // the parts of the chain so far, nil without one
	waiting Response // what GET RESPONSE returns; without data if nothing waits
	count   Count
}

// New returns a card. SELECT selects the first of the applications that match.
func New(config Config, apps ...Application) *Card {
	if config.ATR == nil {
		config.ATR = config.atr()
	}
	if config.T0 {
		config.NoExtended, config.NoResponseChaining = true, false
	}
	c := &Card{config: config, apps: apps}
	c.clear()
	return c
}

// ATR returns the answer to reset.
func (c *Card) ATR() []byte { return slices.Clone(c.config.ATR) }

// Protocol returns the number of the card's transmission protocol, 0 or 1.
func (c *Card) Protocol() int {
	if c.config.T0 {
		return 0
	}
	return 1
}

// Count returns the traffic so far.
func (c *Card) Count() Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// Reset performs a reset, which also stands for a loss of power. It clears the
// selection, the state of the applications, chains and waiting data.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.Resets++
	c.clear()
}

func (c *Card) clear() {
	c.chain, c.waiting, c.current = nil, Response{}, nil
	for _, app := range c.apps {
		app.Reset()
	}
	if c.config.Implicit && len(c.apps) > 0 {
		c.current = c.apps[0]
	}
}

// Transmit processes one command. The response ends with the status word.
func (c *Card) Transmit(command []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.exchange(command)
	response := make([]byte, 0, len(a.Data)+2)
	response = append(response, a.Data...)
	response = append(response, byte(a.Status>>8), byte(a.Status))
	c.count.Exchanges++
	c.count.Received += len(command)
	c.count.Sent += len(response)
	return response
}

func (c *Card) exchange(b []byte) Response {
	command, ok := c.parse(b)
	if ok && command.INS == insGetResponse && command.CLA == 0 && !c.config.NoResponseChaining {
		c.chain = nil
		return c.getResponse(command)
	}
	pending := len(c.waiting.Data) > 0
	c.waiting = Response{}
	if pending && c.config.PendingData != 0 {
		c.chain = nil
		return c.config.PendingData.Response()
	}
	chain := c.chain
	c.chain = nil
	if !ok {
		return WrongLength.Response()
	}
	if s := classStatus(command.CLA); s != OK {
		return s.Response()
	}
	if s, joined := c.join(chain, &command); !joined {
		return s.Response()
	}
	return c.respond(c.process(command), command)
}

func (c *Card) parse(b []byte) (Command, bool) {
	if c.config.MaxCommand > 0 && len(b) > c.config.MaxCommand {
		return Command{}, false
	}
	if c.config.T0 {
		return parseT0(b)
	}
	command, ok := ParseCommand(b)
	return command, ok && !(command.Extended && c.config.NoExtended)
}

// classStatus returns the status word for a class byte (ISO/IEC 7816-4, 5.4.1).
func classStatus(cla byte) Status {
	switch {
	case cla&0xA0 != 0: // proprietary, or reserved
		return UnknownClass
	case cla&0x43 != 0:
		return NoLogicalChannel
	case cla&0x0C != 0:
		return NoSecureMessaging
	}
	return OK
}

// join joins the parts of a chained command (ISO/IEC 7816-4, 5.3.3). Until the
// command is complete, it returns false and the status word of the part.
func (c *Card) join(chain, part *Command) (Status, bool) {
	more := part.CLA&chainBit != 0
	if more && c.config.NoCommandChaining {
		return NoCommandChaining, false
	}
	if more && !c.chains(*part) {
		return NoCommandChaining, false
	}
	part.CLA &^= chainBit
	if chain == nil || chain.INS != part.INS || chain.P1 != part.P1 || chain.P2 != part.P2 {
		chain = &Command{CLA: part.CLA, INS: part.INS, P1: part.P1, P2: part.P2}
		if !more {
			return OK, true
		}
	}
	if len(chain.Data)+len(part.Data) > maxChain {
		return WrongLength, false
	}
	if limited, ok := c.current.(ChainLimiter); ok && !limited.Continue(*chain, part.Data) {
		return WrongLength, false
	}
	chain.Data = append(chain.Data, part.Data...)
	if more {
		c.chain = chain
		return OK, false
	}
	part.Data = chain.Data
	return OK, true
}

func (c *Card) chains(part Command) bool {
	return c.current != nil && !part.selectsByName() && c.current.Chains(part.INS)
}

func (c Command) selectsByName() bool { return c.INS == insSelect && c.P1 == selectByName }

func (c *Card) process(command Command) Response {
	switch {
	case command.selectsByName():
		return c.selectByName(command)
	case c.current != nil:
		return c.current.Process(command)
	case command.INS == insSelect:
		return NotFound.Response()
	}
	return UnknownInstruction.Response()
}

// selectByName selects an application by its identifier. If none matches, or the
// application refuses, the current one stays.
func (c *Card) selectByName(command Command) Response {
	i := slices.IndexFunc(c.apps, func(app Application) bool { return c.matches(app.AID(), command.Data) })
	if i < 0 {
		return c.absent()
	}
	app := c.apps[i]
	answer := app.Select(command)
	if answer.Status != OK {
		return answer
	}
	if c.current != nil && c.current != app {
		c.current.Deselect()
	}
	c.current = app
	return answer
}

// absent responds to a SELECT of an application that the card does not have.
func (c *Card) absent() Response {
	status := cmp.Or(c.config.Absent, NotFound)
	if c.current != nil {
		status = cmp.Or(c.config.AbsentForCurrent, status)
	}
	if c.current != nil && c.config.FailedSelect != KeepsApplication {
		c.current.Deselect()
	}
	if c.config.FailedSelect == Deselects {
		c.current = nil
	}
	return status.Response()
}

func (c *Card) matches(aid, name []byte) bool {
	if len(name) < max(minAID, c.config.MinName) || len(name) > maxAID {
		return false
	}
	return bytes.Equal(aid, name) || !c.config.FullAID && bytes.HasPrefix(aid, name)
}

// atr returns an answer to reset for the configuration. Its historical bytes are a
// category indicator and the card capabilities: selection by full or partial name,
// data coding, chaining and extended lengths (ISO/IEC 7816-4, 8.1.1.2.7).
func (c Config) atr() []byte {
	selection, lengths := byte(0x80), byte(0)
	if !c.FullAID {
		selection |= 0x40
	}
	if !c.NoCommandChaining {
		lengths |= 0x80
	}
	if !c.NoExtended && !c.T0 {
		lengths |= 0x40
	}
	historical := []byte{0x80, 0x73, selection, 0x21, lengths}
	if c.T0 {
		return append([]byte{0x3B, byte(len(historical))}, historical...)
	}
	atr := append([]byte{0x3B, 0x80 | byte(len(historical)), 0x01}, historical...)
	check := byte(0)
	for _, b := range atr[1:] {
		check ^= b
	}
	return append(atr, check)
}
