package driver

import "context"

// A Reader is the state of one reader at one moment.
type Reader struct {
	// Name identifies the reader. It is not empty and unique in a list.
	Name string

	// Events counts insertions and removals, from any start. If it is equal
	// in two lists, the card was not exchanged in between. A backend that
	// cannot count always reports 0.
	Events uint32

	Present   bool // a card is in the reader
	Mute      bool // the card does not answer to reset
	InUse     bool // a program is connected to the card
	Exclusive bool // that program does not share the card

	// ATR is the answer to reset of the card, nil if there is none.
	ATR []byte
}

// A Service is a source of readers. Its methods are safe for concurrent use: a
// call that waits does not delay another.
type Service interface {
	// Readers returns the readers and their state. The list is empty if there
	// is no reader; that is not an error.
	Readers(ctx context.Context) ([]Reader, error)

	// Wait returns the readers and their state as soon as they differ from
	// last in number, order, Name, Events, Present, Mute or ATR, at once if
	// they differ already. A nil last is an empty list. A change between the
	// call that returned last and this one is a difference, too. InUse and
	// Exclusive are not compared.
	Wait(ctx context.Context, last []Reader) ([]Reader, error)

	// Connect powers the card in the reader if necessary and connects to it,
	// shared with other programs, by T=1 or T=0 as the card offers. It does
	// not wait for a card. If another program has the card exclusively, the
	// error is SharingViolation.
	Connect(ctx context.Context, reader string) (Card, error)

	// Close makes the calls under way return an error and releases what the
	// Service holds. It is bounded: it does not wait for a service or reader
	// that does not respond. Cards that are still connected stay usable;
	// package card closes them. A second Close does nothing.
	Close() error
}

// A Protocol is the transmission protocol between reader and card.
type Protocol int

const (
	// T0 transmits bytes. A command with data that expects a response is sent
	// without Le; status 61xx says how much to fetch.
	T0 Protocol = iota
	// T1 transmits blocks. Commands and responses of all cases are sent whole.
	T1
)

// A Card is a connection to a card. One method is called at a time, except for
// Close, which may be called at any time.
type Card interface {
	// Protocol returns the protocol of the connection.
	Protocol() Protocol

	// Transmit sends one command and returns the response, status word
	// included. The caller owns the returned memory and may overwrite command
	// afterwards. Only Close ends a Transmit early.
	Transmit(command []byte) ([]byte, error)

	// Begin starts a transaction: it waits until no other connection has one.
	// If ctx ends before that the error wraps SharingViolation.
	// It returns ResetCard if another connection reset the card since the
	// last call, until Reconnect is called.
	Begin(ctx context.Context) error

	// End ends the transaction. If reset is set, the card is reset first; the
	// other connections get ResetCard, this one goes on.
	End(reset bool) error

	// Reconnect acknowledges a reset by another connection; it does not reset
	// the card. It returns RemovedCard if the card was removed or exchanged.
	Reconnect(ctx context.Context) error

	// Close ends the connection, after a reset of the card if reset is set.
	// It makes a call under way return and is bounded: it does not wait for a
	// card that does not respond. A second Close does nothing.
	Close(reset bool) error
}

// A Controller is a [Card] whose reader takes commands of its own, for example
// to verify a PIN that the user enters on the reader's keypad. A type that embeds
// the Card of another backend must forward Control, or the keypad is not used.
type Controller interface {
	// Control sends a command to the reader and returns its response. The
	// code is FeatureRequest, or one from the response to it. Only Close ends
	// a Control early.
	Control(code uint32, in []byte) ([]byte, error)
}

// FeatureRequest is CM_IOCTL_GET_FEATURE_REQUEST (PC/SC part 10, 2.2), the
// control code that asks a reader for the codes of its features. The value is
// that of Windows; a backend whose system uses another translates it.
const FeatureRequest uint32 = 0x31<<16 | 3400<<2
